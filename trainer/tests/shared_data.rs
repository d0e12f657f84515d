//! Vocabularies, tokeniser and metrics on people's captions, which are not part of this repository.
//!
//! The data is looked for in `../shared` beside the repository, the Java programs in `.metrics`
//! (`cargo xtask metrics`). A check exists only where what it needs does; the others are named.

#[path = "metrics/support.rs"]
mod support;

use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use support::{Case, assert_reward, assert_scores, assert_tokens, cases};
use trainer::data::vocabulary_builder::MIN_OCCURRENCES;
use trainer::data::{Dataset, build_vocabulary};
use trainer::metrics::java::meteor;
use trainer::metrics::{Jars, TokenizedCandidate, tokenizer};
use trainer::vocabulary::Vocabulary;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn shared(name: &str) -> PathBuf {
    root().join("../shared").join(name)
}

fn metrics_programs() -> PathBuf {
    root().join(".metrics")
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(shared(name)).expect("it was there")).expect("the fixture parses")
}

/// A check, and the files without which there is none.
struct Check {
    name: &'static str,
    needs: Vec<PathBuf>,
    run: fn(),
}

fn main() {
    let (fixtures, jar) =
        ("fixtures/metrics_flickr8k_dev", metrics_programs().join("tokenizer/stanford-corenlp-3.4.1.jar"));
    let captions = [shared(&format!("{fixtures}/captions.json")), shared(&format!("{fixtures}/expected.json"))];
    let coco = shared("datasets/coco/dataset_coco.json.xz");
    let check = |name, needs: &[PathBuf], run| Check { name, needs: needs.to_vec(), run };
    let checks = [
        check(
            "awkward_captions_are_tokenized_alike",
            &[shared(&format!("{fixtures}/tokenizer_cases.json"))],
            awkward_captions,
        ),
        check("flickr8k_captions_are_tokenized_alike", &captions, flickr8k_tokens),
        check("flickr8k_scores_are_those_of_pycocoevalcap", &captions, flickr8k_scores),
        check(
            "flickr8k_meteor_is_that_of_pycocoevalcap",
            &[captions.as_slice(), &[metrics_programs().join(meteor::JAR)]].concat(),
            flickr8k_meteor,
        ),
        check("rewards_are_those_of_the_original", &[shared("fixtures/scst_reward.json")], rewards),
        check(
            "flickr8k_vocabulary_is_that_of_the_original",
            &[shared("fixtures/vocab_flickr8k_expected.json"), shared("datasets/photos14k/dataset.json")],
            flickr8k_vocabulary,
        ),
        check(
            "coco_vocabulary_is_the_published_one",
            &[shared("fixtures/coco_vocabulary/demo_coco_tokens.pickle"), coco.clone()],
            coco_vocabulary,
        ),
        check("coco_captions_are_tokenized_as_by_java", &[coco, jar], coco_tokens),
    ];
    let mut trials = Vec::new();
    for check in checks {
        match check.needs.iter().find(|path| !path.exists()) {
            Some(missing) => println!("not run: {}, for want of {}", check.name, missing.display()),
            None => trials.push(Trial::test(check.name, move || {
                (check.run)();
                Ok(())
            })),
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn awkward_captions() {
    for case in json("fixtures/metrics_flickr8k_dev/tokenizer_cases.json").as_array().expect("a list") {
        let raw = support::text(&case["raw"]);
        assert_eq!(tokenizer::tokenize(&raw), support::text(&case["tokens"]), "{raw}");
    }
}

fn flickr8k() -> (Vec<Case>, Value) {
    let captions = json("fixtures/metrics_flickr8k_dev/captions.json");
    (cases(captions.as_array().expect("a list")), json("fixtures/metrics_flickr8k_dev/expected.json"))
}

fn flickr8k_tokens() {
    let (cases, expected) = flickr8k();
    let tokenized = (0..cases.len()).map(|image| {
        let image = image.to_string();
        let caption = support::texts(&expected["ptb_candidates"][&image]).remove(0);
        TokenizedCandidate { caption, references: support::texts(&expected["ptb_references"][&image]) }
    });
    assert_tokens(&cases, &tokenized.collect::<Vec<_>>());
}

fn flickr8k_scores() {
    let (cases, expected) = flickr8k();
    let report = support::report(&cases);
    for metric in ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"] {
        assert_scores(metric, report.scores(metric).expect("computed here"), &expected["scores"][metric], 1e-6);
    }
}

fn flickr8k_meteor() {
    let (cases, expected) = flickr8k();
    let tokenized = trainer::metrics::tokenize_all(&support::candidates(&cases)).expect("all have references");
    let scores = meteor::scores(&Jars::in_folder(metrics_programs()), &tokenized).expect("METEOR runs");
    assert_scores("METEOR", &scores, &expected["scores"]["METEOR"], 1e-4);
}

fn rewards() {
    let fixture = json("fixtures/scst_reward.json");
    let references = fixture["training_references"].as_array().expect("a list").iter().map(support::texts);
    let lists = |name: &str| fixture[name].as_array().expect("a list").clone();
    let without_sos = |captions: &Value| -> Vec<Vec<String>> {
        captions.as_array().expect("a list").iter().map(|caption| support::texts(caption)[1..].to_vec()).collect()
    };
    let sums = |captions: &Value| -> Vec<f64> {
        captions.as_array().expect("a list").iter().map(|caption| support::numbers(caption).iter().sum()).collect()
    };
    let expected = json!({
        "images": fixture["image_index"],
        "sampled": lists("sampled_captions").iter().map(without_sos).collect::<Vec<_>>(),
        "log_probabilities": lists("log_probs").iter().map(sums).collect::<Vec<_>>(),
        "rewards": fixture["reward"],
        "baselines": fixture["baseline"],
        "loss": fixture["loss"],
    });
    assert_reward(&references.collect::<Vec<_>>(), &expected);
    assert_eq!(fixture["sacreeos"], trainer::metrics::reward::SACRE_EOS);
}

fn flickr8k_vocabulary() {
    let dataset = Dataset::read(&shared("datasets/photos14k/dataset.json")).expect("a dataset");
    let flickr8k = dataset.train.iter().filter(|image| image.folder == "flickr8k");
    let captions = flickr8k.flat_map(|image| image.captions.iter().map(String::as_str));
    let built = build_vocabulary(captions, MIN_OCCURRENCES).expect("no word twice");
    let expected = json("fixtures/vocab_flickr8k_expected.json");
    let words = Vocabulary::from_words(support::texts(&expected["idx2word"])).expect("is one");
    assert_eq!(built.vocabulary, words);
    assert_eq!(expected["max_seq_len"], built.longest_caption);
}

/// COCO's captions, unpacked.
fn coco() -> Dataset {
    let unpacked = tempfile::NamedTempFile::new().expect("a temporary file");
    let packed = fs::read(shared("datasets/coco/dataset_coco.json.xz")).expect("it was there");
    lzma_rs::xz_decompress(&mut packed.as_slice(), &mut unpacked.as_file()).expect("an xz archive");
    Dataset::read(unpacked.path()).expect("a dataset")
}

fn coco_vocabulary() {
    let built = build_vocabulary(coco().training_captions(), MIN_OCCURRENCES).expect("no word twice");
    let published = Vocabulary::read(&shared("fixtures/coco_vocabulary/demo_coco_tokens.pickle")).expect("is one");
    assert_eq!(built.vocabulary, published);
    assert_eq!((built.longest_caption, built.max_length()), (54, 74));
}

/// Dropped by pycocoevalcap after the Java tokeniser.
const DROPPED: [&str; 17] =
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"];

fn coco_tokens() {
    let dataset = coco();
    let images = [dataset.train, dataset.validation, dataset.test].concat();
    let captions: Vec<String> =
        images.iter().flat_map(|image| &image.captions).map(|caption| caption.replace('\n', " ")).collect();
    let theirs = java_tokens(&captions);
    assert_eq!(theirs.len(), captions.len());
    let mut different = 0;
    for (caption, line) in captions.iter().zip(&theirs) {
        let kept: Vec<&str> = line.trim_end().split(' ').filter(|token| !DROPPED.contains(token)).collect();
        let ours = tokenizer::tokenize(caption);
        if ours != kept.join(" ") {
            different += 1;
            println!("{caption}\n  Java {}\n  ours {ours}", kept.join(" "));
        }
    }
    println!("{different} of {} captions differ", captions.len());
    assert!(different * 10_000 <= captions.len(), "{different} of {} captions differ", captions.len());
}

/// The Java tokeniser's answer, a line a caption.
fn java_tokens(captions: &[String]) -> Vec<String> {
    let mut java = Command::new("java");
    java.args(["-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp"]);
    java.arg(metrics_programs().join("tokenizer/stanford-corenlp-3.4.1.jar"));
    java.args(["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]);
    java.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = java.spawn().expect("Java starts");
    let mut input = child.stdin.take().expect("is piped");
    let text: Arc<str> = (captions.join("\n") + "\n").into();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("Java ends");
    writer.join().expect("no panic").expect("Java read all");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(String::from).collect()
}
