//! axe, the accessibility engine that the browser tests run in every page: `.axe/axe.min.js`.

use std::path::Path;

use anyhow::{Context, Result};

use crate::member::Member;
use crate::packages::Wheel;

/// axe 4.12.1.
const AXE: Member = Member {
    wheel: Wheel {
        project: "axe-playwright-python",
        version: "0.1.8",
        tags: "py3-none-any",
        sha256: "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8",
    },
    path: "axe_playwright_python/axe.min.js",
    sha256: "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc",
};

/// Sees to it that `.axe` in `root` holds the script; returns at once where it does.
///
/// # Errors
/// As [`Member::put`].
pub fn set_up(root: &Path) -> Result<()> {
    let script = root.join(".axe/axe.min.js");
    AXE.put(&script).context("cannot get axe, which checks the pages' accessibility in the browser tests")
}
