//! Secrets that the program makes itself: 256 random bits, of which only a hash is stored.

use super::StoreError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A new secret in letters that need no quoting in headers, cookies and addresses.
pub(super) fn new_secret() -> Result<String, StoreError> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}

/// What is stored of a secret: SHA-256, in hexadecimal. It has too many bits to be guessed from that, so a
/// slow hash, as passwords need, would gain nothing.
pub(super) fn hash(secret: &str) -> String {
    format!("{:x}", Sha256::digest(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_plain_and_never_the_same() {
        let (one, other) = (new_secret().expect("bits"), new_secret().expect("bits"));
        assert_eq!(one.len(), 43, "256 bits, six to a letter");
        assert!(one.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter)), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn the_hash_is_the_known_one() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
