//! What is done to an upstream, and how it is let be well again.

use anyhow::{Context, Result};

use super::stage::Stage;
use crate::child::ScriptedChild;
use crate::proxy::Weather;
use crate::trouble::Trouble;

/// The gate that a hanging call waits at, opened when the fault is over.
pub(crate) const GATE: &str = "fault";

/// What is done to the victim.
#[derive(Debug, Clone)]
pub enum Act {
    /// `kill -9` of the oldest child, which has the calls; the lives that follow meet these
    /// troubles.
    Kill(Vec<Trouble>),
    /// `kill -STOP`, and `kill -CONT` at the end.
    Freeze,
    /// `kill -STOP`, and nothing at the end.
    FreezeForGood,
    /// These troubles, until the end.
    Trouble(Vec<Trouble>),
    /// A server is stopped with all its connections and sessions, and started at the end.
    Restart,
    /// A server forgets its sessions, once.
    ForgetSessions,
    /// The network is like that, until the end.
    Weather(Weather),
    /// Connections are reset and new ones refused, until the end.
    Refuse,
    /// The connections that exist are reset, once.
    ResetExisting,
    /// The connections that exist are closed, once.
    CloseExisting,
    /// The connections that exist go silent, once.
    HalfOpenExisting,
}

impl Act {
    pub(super) async fn begin(&self, stage: &mut Stage) -> Result<()> {
        let victim = &mut stage.victim;
        match self {
            Self::Kill(troubles) => {
                victim.control.trouble(troubles)?;
                let children = ScriptedChild::all(&victim.journal)?;
                children.iter().find(|child| child.is_alive()).context("a child")?.kill()?;
            }
            Self::Freeze | Self::FreezeForGood => {
                ScriptedChild::newest(&victim.journal)?.stop()?;
            }
            Self::Trouble(troubles) => victim.control.trouble(troubles)?,
            Self::Restart => {
                stage.proxy()?.refuse().await;
                stage.proxy()?.reset_existing();
                stage.victim.server()?.stop().await;
            }
            Self::ForgetSessions => victim.server()?.forget_sessions(),
            Self::Weather(weather) => stage.proxy()?.set(*weather),
            Self::Refuse => {
                stage.proxy()?.refuse().await;
                stage.proxy()?.reset_existing();
            }
            Self::ResetExisting => stage.proxy()?.reset_existing(),
            Self::CloseExisting => stage.proxy()?.close_existing(),
            Self::HalfOpenExisting => stage.proxy()?.half_open_existing(),
        }
        Ok(())
    }

    pub(super) async fn end(&self, stage: &mut Stage) -> Result<()> {
        match self {
            Self::Trouble(_) => {
                stage.victim.control.calm()?;
                stage.victim.control.open(GATE)?;
            }
            Self::Freeze => {
                // Whoever is tested may have killed it: then there is nothing to continue.
                let _ = ScriptedChild::newest(&stage.victim.journal)?.cont();
            }
            Self::Restart => {
                stage.victim.server()?.restart().await?;
                stage.proxy()?.listen().await?;
            }
            Self::Weather(_) => stage.proxy()?.set(Weather::default()),
            Self::Refuse => stage.proxy()?.listen().await?,
            Self::Kill(_)
            | Self::FreezeForGood
            | Self::ForgetSessions
            | Self::ResetExisting
            | Self::CloseExisting
            | Self::HalfOpenExisting => {}
        }
        Ok(())
    }
}
