//! A TCP proxy that lets the network go bad: in front of any upstream, connections are refused,
//! reset, swallowed, slowed, sliced or cut, and healed again under way.

mod pump;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::engine::lock;

/// What happens to what goes through. The default lets everything pass as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// What happens to what the client sends, on connections old and new.
    pub requests: Requests,
    /// How long each piece is held on its way to the upstream.
    pub delay_up: Duration,
    /// How long each piece is held on its way to the client.
    pub delay_down: Duration,
    /// Small writes with pauses, both ways.
    pub slice: Option<Slice>,
    /// Bytes per second, each way.
    pub bandwidth: Option<u32>,
    /// Where an answer is cut.
    pub cut: Option<Cut>,
}

/// What happens to what the client sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Requests {
    /// It goes to the upstream.
    #[default]
    Pass,
    /// The connection is reset (RST) as soon as it comes; the upstream never sees it.
    Reset,
    /// It is swallowed, and the connection is silent for ever after.
    Swallow,
}

/// Small writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// How large one is at most.
    pub bytes: usize,
    /// The pause between two.
    pub pause: Duration,
}

/// The end of an answer before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// How many bytes of each answer, its head included, still pass. The count begins anew with
    /// whatever the client sends.
    pub after_bytes: usize,
    /// Whether the end is a RST rather than a FIN.
    pub reset: bool,
}

/// What befalls the connections that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    None,
    Reset,
    Close,
    HalfOpen,
}

/// The proxy. Its connections end with it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Empty while connections are refused.
    listening: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    weather: watch::Sender<Weather>,
    /// The number makes an order new that is given twice.
    orders: watch::Sender<(u64, Order)>,
    connections: Mutex<JoinSet<()>>,
    accepted: AtomicU64,
    withheld: AtomicU64,
}

impl FaultProxy {
    /// Starts it on a free port of 127.0.0.1, in front of that address.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("bind a free port")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            weather: watch::Sender::new(Weather::default()),
            orders: watch::Sender::new((0, Order::None)),
            connections: Mutex::default(),
            accepted: AtomicU64::new(0),
            withheld: AtomicU64::new(0),
        });
        let mut listening = JoinSet::new();
        listening.spawn(accept(Arc::clone(&shared), listener));
        Ok(Self { address, shared, listening })
    }

    /// Where it listens, also while it refuses.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it does this, on connections old and new.
    pub fn set(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// Stops listening, so that new connections are refused; those that exist stay.
    pub async fn refuse(&mut self) {
        self.listening.shutdown().await;
    }

    /// Listens again on its port.
    ///
    /// # Errors
    /// When the port was taken meanwhile.
    pub async fn listen(&mut self) -> Result<()> {
        if self.listening.is_empty() {
            let listener =
                TcpListener::bind(self.address).await.context("bind the same port again")?;
            self.listening.spawn(accept(Arc::clone(&self.shared), listener));
        }
        Ok(())
    }

    /// Resets (RST) the connections that exist.
    pub fn reset_existing(&self) {
        self.order(Order::Reset);
    }

    /// Closes (FIN) the connections that exist.
    pub fn close_existing(&self) {
        self.order(Order::Close);
    }

    /// Lets the connections that exist lose their upstream without a word to the client: what it
    /// sends on them is swallowed for ever.
    pub fn half_open_existing(&self) {
        self.order(Order::HalfOpen);
    }

    fn order(&self, order: Order) {
        self.shared.orders.send_modify(|last| *last = (last.0 + 1, order));
    }

    /// How many connections were ever accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// How many times something was sent that the upstream never saw: reset or swallowed.
    #[must_use]
    pub fn withheld(&self) -> u64 {
        self.shared.withheld.load(Ordering::Relaxed)
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        // An error is about one connection that was gone before it was taken.
        let Ok((client, _)) = listener.accept().await else { continue };
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        let task = pump::connection(Arc::clone(&shared), client, shared.orders.subscribe());
        let mut connections = lock(&shared.connections);
        while connections.try_join_next().is_some() {}
        connections.spawn(task);
    }
}
