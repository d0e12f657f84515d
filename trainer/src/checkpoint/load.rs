//! Copies named tensors into a model, all or nothing.

use super::tensors::NamedTensors;
use std::collections::BTreeMap;
use std::fmt;
use tch::nn::VarStore;
use tch::{TchError, Tensor};

/// Tensors and model do not match: every difference, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// In the model, not in the file.
    pub missing: Vec<String>,
    /// In the file, not in the model.
    pub unexpected: Vec<String>,
    /// Of another shape: name, shape in the file, shape in the model.
    pub misshapen: Vec<(String, Vec<i64>, Vec<i64>)>,
}

/// Why loading failed; the model is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Names or shapes differ.
    #[error("the weights do not fit the model: {0}")]
    Mismatch(Mismatch),
    /// libtorch refused a copy.
    #[error("copying the weights failed: {0}")]
    Copy(#[from] TchError),
}

/// Fills every variable of `store` from `tensors`; nothing is loaded if anything is amiss.
pub fn load_named(store: &VarStore, tensors: &NamedTensors) -> Result<(), LoadError> {
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    let mismatch = compare(&variables, tensors);
    if mismatch != Mismatch::default() {
        return Err(LoadError::Mismatch(mismatch));
    }
    tch::no_grad(|| {
        for (name, mut variable) in variables {
            variable.f_copy_(&tensors[&name])?;
        }
        Ok(())
    })
}

fn compare(variables: &BTreeMap<String, Tensor>, tensors: &NamedTensors) -> Mismatch {
    let mut mismatch = Mismatch::default();
    for (name, variable) in variables {
        match tensors.get(name) {
            None => mismatch.missing.push(name.clone()),
            Some(tensor) if tensor.size() != variable.size() => {
                mismatch.misshapen.push((name.clone(), tensor.size(), variable.size()));
            }
            Some(_) => {}
        }
    }
    mismatch.unexpected = tensors.keys().filter(|name| !variables.contains_key(*name)).cloned().collect();
    mismatch
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes =
            |(name, found, wanted): &(String, Vec<i64>, Vec<i64>)| format!("{name} is {found:?}, not {wanted:?}");
        let misshapen: Vec<String> = self.misshapen.iter().map(shapes).collect();
        let mut separator = "";
        for (what, names) in
            [("missing", &self.missing), ("unexpected", &self.unexpected), ("of another shape", &misshapen)]
        {
            if !names.is_empty() {
                write!(formatter, "{separator}{} {what} ({})", names.len(), names.join(", "))?;
                separator = "; ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn ones(shape: &[i64]) -> Tensor {
        Tensor::ones(shape, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn every_difference_is_named_and_nothing_is_loaded() {
        let store = VarStore::new(Device::Cpu);
        let a = store.root().zeros("a", &[2]);
        let _b = store.root().zeros("b", &[3]);
        let _c = store.root().zeros("c", &[1]);
        let tensors =
            NamedTensors::from([("a".into(), ones(&[2])), ("b".into(), ones(&[4])), ("d".into(), ones(&[1]))]);

        let text = load_named(&store, &tensors).unwrap_err().to_string();
        assert!(text.contains("1 missing (c)"), "{text}");
        assert!(text.contains("1 unexpected (d)"), "{text}");
        assert!(text.contains("b is [4], not [3]"), "{text}");
        assert_eq!(a.sum(Kind::Float).double_value(&[]), 0.);
    }

    #[test]
    fn a_matching_set_is_loaded() {
        let store = VarStore::new(Device::Cpu);
        let a = store.root().zeros("a", &[2]);
        load_named(&store, &NamedTensors::from([("a".into(), ones(&[2]))])).expect("fits");
        assert_eq!(a.sum(Kind::Float).double_value(&[]), 2.);
    }
}
