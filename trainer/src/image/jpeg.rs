//! The outline of a JPEG file, read by walking its markers without decoding anything.
//!
//! The decoder fills what a cut-off file lacks with grey and says nothing, and it keeps the
//! coefficients of a progressive file outside its memory limit. Both can be told from the markers.

/// What the markers of a JPEG file tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// The file goes on to its end-of-image marker.
    pub complete: bool,
    /// Decoding keeps two bytes for every sample of this many components until the last scan.
    pub buffered_components: u8,
}

const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;
const TEMPORARY: u8 = 0x01;
const BASELINE_FRAME: u8 = 0xC0;
const EXTENDED_FRAME: u8 = 0xC1;
const PROGRESSIVE_FRAME: u8 = 0xC2;
const START_OF_SCAN: u8 = 0xDA;

/// Walks the markers of `bytes`, from the start-of-image to the end-of-image marker.
///
/// Segments are skipped by their length, so that the thumbnail within a metadata segment is not
/// taken for the picture; whatever follows the end-of-image marker (a second picture, a film) is
/// not looked at.
pub(super) fn outline(bytes: &[u8]) -> Outline {
    let mut outline = Outline::default();
    let (mut components, mut scanned) = (0, false);
    let mut rest = bytes;
    while let Some((marker, after)) = next_marker(rest) {
        rest = after;
        match marker {
            END_OF_IMAGE => {
                outline.complete = true;
                break;
            }
            START_OF_IMAGE | TEMPORARY => continue,
            BASELINE_FRAME | EXTENDED_FRAME => components = frame_components(rest).max(components),
            PROGRESSIVE_FRAME => {
                components = frame_components(rest).max(components);
                outline.buffered_components = components;
            }
            START_OF_SCAN => {
                // One after another, the components of a baseline file are kept like those of a progressive one.
                if !scanned && scan_components(rest) < components {
                    outline.buffered_components = components;
                }
                scanned = true;
            }
            _ => {}
        }
        let Some(next) = skip_segment(rest) else {
            break;
        };
        rest = next;
    }
    outline
}

/// The next marker and what follows it. Passes over entropy-coded data: stuffed zeros and restart
/// markers belong to it.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = bytes;
    loop {
        let start = rest.iter().position(|&byte| byte == 0xFF)?;
        rest = &rest[start + 1..];
        match *rest.first()? {
            // A fill byte: the marker's code is still to come.
            0xFF => {}
            0x00 | 0xD0..=0xD7 => rest = &rest[1..],
            marker => return Some((marker, &rest[1..])),
        }
    }
}

/// What follows the segment at the start of `bytes`, whose first two bytes are its length.
fn skip_segment(bytes: &[u8]) -> Option<&[u8]> {
    let length = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
    bytes.get(usize::from(length)..)
}

/// The number of components of the frame header at the start of `bytes`: length (2), precision
/// (1), height (2), width (2), components (1).
fn frame_components(bytes: &[u8]) -> u8 {
    bytes.get(7).copied().unwrap_or(0)
}

/// The number of components of the scan whose header is at the start of `bytes`: length (2), components (1).
fn scan_components(bytes: &[u8]) -> u8 {
    bytes.get(2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"\xFF\xD8\xFF\xE1\x00\x06\xFF\xD8\xFF\xD9";
    const SCAN: &[u8] = b"\xFF\xDA\x00\x02\x12\xFF\x00\x34\xFF\xD0\x56";

    #[test]
    fn a_file_is_complete_at_its_own_end_marker_only() {
        let whole = [HEADER, SCAN, b"\xFF\xFF\xD9"].concat();
        assert!(outline(&whole).complete);
        assert!(outline(&[&whole[..], b"\xFF\xD8 more"].concat()).complete);
        for end in 0..whole.len() {
            assert!(!outline(&whole[..end]).complete, "cut at {end}");
        }
    }

    #[test]
    fn progressive_files_buffer_their_components() {
        let frame = b"\xFF\xC2\x00\x0B\x08\x00\x01\x00\x01\x03\x01\x11\x00";
        let whole = [HEADER, frame, SCAN, b"\xFF\xD9"].concat();
        assert_eq!(outline(&whole), Outline { complete: true, buffered_components: 3 });
        assert_eq!(outline(HEADER).buffered_components, 0);
        // A second frame header does not take it back.
        let none = b"\xFF\xC2\x00\x0B\x08\x00\x01\x00\x01\x00\x01\x11\x00";
        assert_eq!(outline(&[HEADER, frame, none, SCAN, b"\xFF\xD9"].concat()).buffered_components, 3);
    }

    #[test]
    fn so_do_baseline_files_whose_components_come_one_after_another() {
        let frame = b"\xFF\xC0\x00\x0B\x08\x00\x01\x00\x01\x03\x01\x11\x00";
        let scan = |components: u8| [b"\xFF\xDA\x00\x03".as_slice(), &[components], b"\x12\x34"].concat();
        let buffered = |first: u8| outline(&[HEADER, frame, &scan(first), &scan(1), b"\xFF\xD9"].concat());
        assert_eq!((buffered(1).buffered_components, buffered(3).buffered_components), (3, 0));
    }
}
