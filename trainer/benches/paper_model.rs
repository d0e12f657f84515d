//! The paper's Swin-L at 384 pixels, random weights, float32 and bfloat16: `cargo xtask bench paper_model`.

mod support;

use support::{Alternative, compare};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};
use trainer::model::{Backbone, ModelConfig};

fn main() {
    let config = ModelConfig::expansionnet_v2_large();
    let stores = [VarStore::new(Device::Cpu), VarStore::new(Device::Cpu)];
    let [float32, bfloat16] = stores.each_ref().map(|store| Backbone::new(&store.root(), &config, 0.));
    let [_, mut narrow] = stores;
    narrow.bfloat16();
    let backbones = [float32, bfloat16].map(|mut backbone| {
        backbone.prepare_inference();
        backbone
    });
    for (images, rounds) in [(1, 7), (4, 3)] {
        let pictures = Tensor::randn([images, 3, 384, 384], (Kind::Float, Device::Cpu));
        let forward = |backbone: &Backbone| drop(no_grad(|| backbone.forward_t(&pictures, false)));
        let alternatives = vec![
            Alternative { name: "float32", run: Box::new(|| forward(&backbones[0])) },
            Alternative { name: "bfloat16", run: Box::new(|| forward(&backbones[1])) },
        ];
        compare(&format!("Swin-L 384 forward, {images} image(s)"), rounds, alternatives);
    }
}
