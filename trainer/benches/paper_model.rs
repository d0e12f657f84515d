//! The paper's Swin-L at 384 pixels, random weights, float32 and bfloat16: `cargo xtask bench paper_model`.

mod support;

use support::{Alternative, compare, device};
use tch::nn::VarStore;
use tch::{Kind, Tensor, no_grad};
use trainer::model::{Backbone, ModelConfig};

fn main() {
    let config = ModelConfig::expansionnet_v2_large();
    let stores = [VarStore::new(device()), VarStore::new(device())];
    let [float32, bfloat16] = stores.each_ref().map(|store| Backbone::new(&store.root(), &config, 0.));
    let [_, mut narrow] = stores;
    narrow.bfloat16();
    let backbones = [float32, bfloat16].map(|mut backbone| {
        backbone.prepare_inference();
        backbone
    });
    let sizes: &[(i64, usize)] = if device().is_cuda() { &[(1, 9), (16, 9)] } else { &[(1, 7), (4, 3)] };
    for &(images, rounds) in sizes {
        let pictures = Tensor::randn([images, 3, 384, 384], (Kind::Float, device()));
        let forward = |backbone: &Backbone| drop(no_grad(|| backbone.forward_t(&pictures, false)));
        let alternatives = vec![
            Alternative { name: "float32", run: Box::new(|| forward(&backbones[0])) },
            Alternative { name: "bfloat16", run: Box::new(|| forward(&backbones[1])) },
        ];
        compare(&format!("Swin-L 384 forward, {images} image(s)"), rounds, alternatives);
    }
}
