//! A document that is kept, as it is and packed: packed once, after somebody asked who unpacks,
//! beside all who ask meanwhile.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::task::spawn_blocking;

/// Bytes that are packed before it is looked whether the document is still kept: a few ms, so that
/// with catalogs that change all the time old documents do not pile up where they are packed.
const PIECE_BYTES: usize = 256 << 10;
/// Documents say much the same of every tool: the fastest level leaves a thirtieth of them, and the
/// usual one, which takes several times as long, hardly less.
const LEVEL: u32 = 1;

/// A document, ready to be sent.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) plain: Bytes,
    pub(super) etag: String,
    /// `None` while nobody asked for it, and inside, if it could not be packed.
    packed: OnceLock<Shared<BoxFuture<'static, Option<Bytes>>>>,
}

// === impl Document ===

impl Document {
    pub(super) fn new(plain: Bytes, etag: String) -> Self {
        Self { plain, etag, packed: OnceLock::new() }
    }

    /// The same packed with gzip, if that is done; the first one who asks has it begun.
    pub(super) fn gzip(self: &Arc<Self>) -> Option<Bytes> {
        self.packing().now_or_never().flatten()
    }

    /// The same packed with gzip, `None` if it cannot be packed; the first one who asks has it begun.
    ///
    /// Cancel-safe: it is packed all the same.
    pub(super) fn packing(self: &Arc<Self>) -> Shared<BoxFuture<'static, Option<Bytes>>> {
        let packed = self.packed.get_or_init(|| {
            let document = Arc::downgrade(self);
            let packed = spawn_blocking(move || {
                let still = || document.upgrade().map(|document| document.plain.clone());
                gzip(still)
            });
            async move { packed.await.ok().flatten() }.boxed().shared()
        });
        packed.clone()
    }
}

/// Packs what it is given for each piece anew; `None` once it is no longer given.
fn gzip(plain: impl Fn() -> Option<Bytes>) -> Option<Bytes> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    for begin in (0..plain()?.len()).step_by(PIECE_BYTES) {
        let plain = plain()?;
        let end = plain.len().min(begin + PIECE_BYTES);
        packed.write_all(&plain[begin..end]).ok()?;
    }
    let mut packed = packed.finish().ok()?;
    packed.shrink_to_fit();
    Some(packed.into())
}

#[cfg(test)]
mod tests;
