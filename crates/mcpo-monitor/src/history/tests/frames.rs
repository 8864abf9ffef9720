//! What is read of a frame is what was written, and of anything else no more than there is.

use proptest::prelude::*;

use super::row;
use crate::history::frame::{self, WHOLE};
use crate::history::{Frame, Metric, Row};

/// Bits, since `NaN` is not equal to itself.
fn bits(row: &Row) -> Vec<u32> {
    row.iter().map(|value| value.to_bits()).collect()
}

fn a_row() -> impl Strategy<Value = Row> {
    let value =
        prop_oneof![any::<f32>().prop_filter("finite", |it| it.is_finite()), Just(f32::NAN)];
    proptest::array::uniform15(value)
}

/// A store of a version that kept thirteen metrics is read as it was written.
#[test]
fn a_frame_of_before_calls_were_turned_away_has_no_word_on_that() {
    let values: Vec<_> = Metric::ALL[..13].iter().map(|metric| (*metric, 1.5)).collect();
    let before = row(&values);
    let frame = Frame { at: 0, whole: before, servers: vec![("one".to_owned(), before)] };
    let bytes = frame::encode(30, &frame);
    // Seconds, and of each row its name's length, its name, which metrics there are, and these.
    assert_eq!(bytes.len(), 4 + 2 * (2 + 4 + 13 * 4) + 3);
    let read = frame::find(&bytes, "one").unwrap();
    assert_eq!(bits(&read), bits(&before));
    assert!(read[Metric::Shed.index()].is_nan() && read[Metric::CacheHitRate.index()].is_nan());
}

proptest! {
    #[test]
    fn a_frame_is_read_as_it_was_written(
        covered in any::<u32>(),
        whole in a_row(),
        servers in proptest::collection::vec(("\\PC{1,40}", a_row()), 0..5),
    ) {
        let frame = Frame { at: 0, whole, servers };
        let bytes = frame::encode(covered, &frame);
        prop_assert_eq!(frame::covered_seconds(&bytes), covered);
        let whole = (WHOLE, &frame.whole);
        let servers = frame.servers.iter().map(|(name, row)| (name.as_str(), row));
        let expected: Vec<_> =
            std::iter::once(whole).chain(servers).map(|(name, row)| (name, bits(row))).collect();
        let read: Vec<_> = frame::rows(&bytes).map(|(name, row)| (name, bits(&row))).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn anything_can_be_read_as_a_frame(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _any = frame::covered_seconds(&bytes);
        let _any = frame::find(&bytes, "x");
        // Each row takes six bytes at least.
        prop_assert!(frame::rows(&bytes).count() <= bytes.len() / 6);
    }

    #[test]
    fn a_frame_that_is_cut_or_changed_can_be_read(
        cut in 0usize..200,
        at in 0usize..200,
        byte in any::<u8>(),
    ) {
        let values = Metric::ALL.map(|metric| (metric, 1.5));
        let servers = vec![("one".to_owned(), row(&values)), ("other".to_owned(), row(&values))];
        let mut bytes = frame::encode(30, &Frame { at: 0, whole: row(&values), servers });
        bytes.truncate(cut);
        if let Some(there) = bytes.get_mut(at) {
            *there = byte;
        }
        prop_assert!(frame::rows(&bytes).count() <= bytes.len() / 6);
    }
}
