//! A file as the body of an answer, a piece at a time: however slowly clients read, none of them has it in memory.

use axum::body::{Body, Bytes};
use futures_util::{Stream, StreamExt, stream};
use std::fs::File;
use std::io::{self, Read};

/// Bytes in memory for a client that does not read on.
const PIECE: usize = 64 * 1024;

/// The file, from where it stands.
pub(super) fn body(file: File) -> Body {
    Body::from_stream(pieces(file))
}

fn pieces(file: File) -> impl Stream<Item = io::Result<Bytes>> {
    let pieces = stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::with_capacity(PIECE);
            (&mut file).take(PIECE as u64).read_to_end(&mut piece).map(|_| (piece, file))
        });
        match reading.await.map_err(io::Error::other).flatten() {
            Ok((piece, _)) if piece.is_empty() => None,
            Ok((piece, file)) => Some((Ok(Bytes::from(piece)), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    });
    // Layers may ask once more after the end.
    pieces.fuse()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[tokio::test]
    async fn a_file_comes_whole_and_in_small_pieces() {
        let bytes: Vec<u8> = (0..3 * PIECE + 7).map(|index| (index % 251) as u8).collect();
        let mut named = tempfile::NamedTempFile::new().expect("a temporary file");
        named.write_all(&bytes).expect("writes");
        let pieces: Vec<Bytes> =
            pieces(named.reopen().expect("opens")).map(|piece| piece.expect("reads")).collect().await;
        assert_eq!(pieces.len(), 4);
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(pieces.concat(), bytes);
    }
}
