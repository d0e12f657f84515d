//! Feature files of the original, written by h5py, against what was put into them.

mod support;

use support::{fixture, reference_tensors};
use tch::Kind;
use trainer::data::FeatureReader;

#[test]
fn the_original_s_files_are_read() {
    let expected = reference_tensors("features/expected.safetensors");
    assert!(!expected.is_empty());
    for (format, kind) in [("float32", Kind::Float), ("float16", Kind::Half)] {
        let file = format!("features_{format}.hdf5");
        let reader = FeatureReader::open(&fixture("features").join(&file)).expect("opens");
        let mut compared = 0;
        for (name, theirs) in &expected {
            let Some((_, image)) = name.split_once(':').filter(|(of, _)| *of == format) else { continue };
            let image = image.parse().expect("an image's number");
            let ours = reader.read(image, 0).expect("is there");
            assert_eq!((ours.kind(), ours.size()), (kind, theirs.size()), "{file}: {name}");
            assert!(ours == theirs.to_kind(kind), "{file}: {name} differs");
            compared += 1;
        }
        assert_eq!(compared, reader.len(), "{file}");
    }
}
