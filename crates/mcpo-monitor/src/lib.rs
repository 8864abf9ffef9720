//! What is known of everything, and what follows from it: samples and events become metrics,
//! history, trends, alerts, a diagnosis and a score. Every face (`/metrics`, the dashboard,
//! `mcpo top`, exports) is made from the same [`picture`], so that no two disagree.

pub mod alerts;
pub mod diagnosis;
pub mod exposition;
pub mod faces;
pub mod history;
pub mod monitor;
pub mod otlp;
pub mod picture;
pub mod registry;
pub mod requests;
pub mod resources;
pub mod score;
pub mod trend;
pub mod windows;
