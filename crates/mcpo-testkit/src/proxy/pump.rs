//! One connection through the proxy: bytes both ways, under the weather of the moment.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Order, Requests, Shared};

/// What one read takes at most.
const READ_BYTES: usize = 16 << 10;

/// How a connection ends.
enum End {
    /// With a FIN.
    Closed,
    /// With a RST.
    Reset,
    /// Not at all: the client is never told.
    Silent,
}

pub(super) async fn connection(
    shared: Arc<Shared>,
    mut client: TcpStream,
    mut orders: watch::Receiver<(u64, Order)>,
) {
    let _ = client.set_nodelay(true);
    orders.mark_unchanged();
    let end = tokio::select! {
        end = carry(&shared, &mut client) => end,
        end = ordered(&mut orders) => end,
    };
    match end {
        End::Closed => {}
        End::Reset => {
            // With data unsent and a linger of zero, closing sends a RST.
            let _ = set_socket_linger(&client, Some(Duration::ZERO));
        }
        End::Silent => {
            tokio::select! {
                () = swallow(&mut client) => {}
                () = reset_when_told(&mut orders) => {
                    let _ = set_socket_linger(&client, Some(Duration::ZERO));
                }
            }
        }
    }
}

/// Orders that are given to this connection.
async fn ordered(orders: &mut watch::Receiver<(u64, Order)>) -> End {
    while orders.changed().await.is_ok() {
        let (_, order) = *orders.borrow_and_update();
        match order {
            Order::None => {}
            Order::Reset => return End::Reset,
            Order::Close => return End::Closed,
            Order::HalfOpen => return End::Silent,
        }
    }
    pending().await
}

async fn reset_when_told(orders: &mut watch::Receiver<(u64, Order)>) {
    while !matches!(ordered(orders).await, End::Reset) {}
}

/// Reads and forgets until the client goes away.
async fn swallow(client: &mut TcpStream) {
    let mut buffer = [0; READ_BYTES];
    while client.read(&mut buffer).await.is_ok_and(|size| size > 0) {}
}

async fn carry(shared: &Shared, client: &mut TcpStream) -> End {
    let requests = shared.weather.borrow().requests;
    if requests != Requests::Pass {
        // The upstream is out of reach: it never hears of this connection.
        return match client.peek(&mut [0]).await {
            Ok(0) | Err(_) => End::Closed,
            Ok(_) => withhold(shared, requests),
        };
    }
    let Ok(mut upstream) = TcpStream::connect(shared.upstream).await else { return End::Reset };
    let _ = upstream.set_nodelay(true);
    let answered = AtomicUsize::new(0);
    let (from_client, to_client) = client.split();
    let (from_upstream, to_upstream) = upstream.split();
    // Whichever way breaks first decides; a plain end waits for the other way.
    let ways = tokio::try_join!(
        go_up(shared, from_client, to_upstream, &answered),
        go_down(shared, from_upstream, to_client, &answered),
    );
    ways.err().unwrap_or(End::Closed)
}

fn withhold(shared: &Shared, requests: Requests) -> End {
    shared.withheld.fetch_add(1, Ordering::Relaxed);
    match requests {
        Requests::Pass => End::Closed,
        Requests::Reset => End::Reset,
        Requests::Swallow => End::Silent,
    }
}

async fn go_up(
    shared: &Shared,
    mut client: ReadHalf<'_>,
    mut upstream: WriteHalf<'_>,
    answered: &AtomicUsize,
) -> Result<(), End> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let size = match client.read(&mut buffer).await {
            Ok(0) => break,
            Ok(size) => size,
            Err(_) => return Err(End::Reset),
        };
        answered.store(0, Ordering::Relaxed);
        let weather = *shared.weather.borrow();
        if weather.requests != Requests::Pass {
            return Err(withhold(shared, weather.requests));
        }
        wait(weather.delay_up).await;
        if write(shared, &mut upstream, &buffer[..size]).await.is_err() {
            return Err(End::Reset);
        }
    }
    let _ = upstream.shutdown().await;
    Ok(())
}

async fn go_down(
    shared: &Shared,
    mut upstream: ReadHalf<'_>,
    mut client: WriteHalf<'_>,
    answered: &AtomicUsize,
) -> Result<(), End> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let size = match upstream.read(&mut buffer).await {
            Ok(0) => break,
            Ok(size) => size,
            Err(_) => return Err(End::Reset),
        };
        let weather = *shared.weather.borrow();
        if weather.requests == Requests::Swallow {
            return Err(End::Silent);
        }
        wait(weather.delay_down).await;
        let before = answered.fetch_add(size, Ordering::Relaxed);
        let cut = weather.cut.filter(|cut| before + size > cut.after_bytes);
        let passes = cut.map_or(size, |cut| cut.after_bytes.saturating_sub(before));
        if write(shared, &mut client, &buffer[..passes]).await.is_err() {
            return Err(End::Reset);
        }
        if let Some(cut) = cut {
            return Err(if cut.reset { End::Reset } else { End::Closed });
        }
    }
    let _ = client.shutdown().await;
    Ok(())
}

/// A sleep of nothing may take the runtime's whole tick.
async fn wait(length: Duration) {
    if !length.is_zero() {
        sleep(length).await;
    }
}

async fn write(shared: &Shared, to: &mut WriteHalf<'_>, bytes: &[u8]) -> std::io::Result<()> {
    let weather = *shared.weather.borrow();
    let slice = weather.slice.map_or(usize::MAX, |slice| slice.bytes.max(1));
    // A tenth of a second's worth at once, so that a slow line is slow from its first byte on.
    let tenth = weather.bandwidth.map_or(usize::MAX, |rate| (rate as usize / 10).max(1));
    for piece in bytes.chunks(slice.min(tenth)) {
        if let Some(rate) = weather.bandwidth {
            // How long the piece is under way on such a line.
            sleep(Duration::from_secs_f64(piece.len() as f64 / f64::from(rate.max(1)))).await;
        }
        to.write_all(piece).await?;
        if let Some(slice) = weather.slice {
            sleep(slice.pause).await;
        }
    }
    Ok(())
}
