//! Files and texts that were valid once, and what chance makes of them.

use proptest::prelude::*;
use proptest::sample::Index;

/// Where a change happens: anywhere, or among the first bytes, where the headers are.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Anywhere(Index),
    Head(Index),
}

impl Place {
    const HEAD: usize = 160;

    fn within(self, length: usize) -> usize {
        match self {
            Place::Anywhere(index) => index.index(length + 1),
            Place::Head(index) => index.index(length.min(Self::HEAD) + 1),
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub enum Mutation {
    /// Writes over what is there.
    Overwrite(Place, Vec<u8>),
    /// Turns one bit.
    Flip(Place, u8),
    Insert(Place, Vec<u8>),
    Remove(Place, usize),
    /// The same bytes once more.
    Repeat(Place, usize),
    /// The rest is gone.
    Cut(Place),
}

impl Mutation {
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let size = bytes.len();
        let reach = |place: &Place, length: usize| {
            let at = place.within(size);
            at..size.min(at + length)
        };
        match self {
            Mutation::Overwrite(place, new) => {
                let range = reach(place, new.len());
                let length = range.len();
                bytes[range].copy_from_slice(&new[..length]);
            }
            Mutation::Flip(place, bit) => {
                if let Some(byte) = bytes.get_mut(place.within(size)) {
                    *byte ^= 1 << bit;
                }
            }
            Mutation::Insert(place, new) => {
                let at = place.within(size);
                bytes.splice(at..at, new.iter().copied());
            }
            Mutation::Remove(place, length) => {
                let range = reach(place, *length);
                bytes.drain(range);
            }
            Mutation::Repeat(place, length) => {
                let range = reach(place, *length);
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, again);
            }
            Mutation::Cut(place) => bytes.truncate(place.within(size)),
        }
    }
}

/// One to six changes.
pub fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let place = || prop_oneof![any::<Index>().prop_map(Place::Anywhere), any::<Index>().prop_map(Place::Head)];
    let length = || prop_oneof![1..16_usize, 1..4096_usize];
    let mutation = prop_oneof![
        3 => (place(), few_bytes()).prop_map(|(place, bytes)| Mutation::Overwrite(place, bytes)),
        3 => (place(), 0..8_u8).prop_map(|(place, bit)| Mutation::Flip(place, bit)),
        1 => (place(), few_bytes()).prop_map(|(place, bytes)| Mutation::Insert(place, bytes)),
        1 => (place(), length()).prop_map(|(place, length)| Mutation::Remove(place, length)),
        1 => (place(), length()).prop_map(|(place, length)| Mutation::Repeat(place, length)),
        1 => place().prop_map(Mutation::Cut),
    ];
    proptest::collection::vec(mutation, 1..=6)
}

/// Any bytes, or a number at the edge of its type, of either endianness.
fn few_bytes() -> impl Strategy<Value = Vec<u8>> {
    let edges: [&[u8]; 9] = [
        &[0xFF],
        &[0; 2],
        &[0xFF; 2],
        &[0; 4],
        &[0xFF; 4],
        &[0x7F, 0xFF, 0xFF, 0xFF],
        &[0xFF, 0xFF, 0xFF, 0x7F],
        &[0, 0, 0, 1],
        &[0xFF; 8],
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..12),
        proptest::sample::select(edges.map(<[u8]>::to_vec).to_vec()),
    ]
}
