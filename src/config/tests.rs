//! Settings from files: the defaults hold, and every mistake is named with its key and source.
//! The environment and the working directory are tested on the program itself, in `tests/command_line.rs`.

use super::*;
use tempfile::NamedTempFile;
use trainer::device::{DeviceChoice, PrecisionChoice};

/// Loads a file with this text; gives the settings or the message, and the file's path.
fn load(text: &str) -> (Result<Config, String>, String) {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("writes");
    let loaded = Config::load(Some(file.path())).map_err(|error| error.to_string());
    (loaded, file.path().display().to_string())
}

#[track_caller]
fn assert_fault(text: &str, parts: &[&str]) {
    let (loaded, path) = load(text);
    let fault = loaded.expect_err("the settings are wrong");
    assert!(fault.contains(&path), "{path} is missing in {fault}");
    for part in parts {
        assert!(fault.contains(part), "{part} is missing in {fault}");
    }
}

#[test]
fn the_committed_file_is_valid_and_is_the_default() {
    let config = Config::defaults().expect("config.toml is valid");
    assert_eq!(config.server.address, "127.0.0.1:8080");
    assert_eq!(config.server.max_upload_bytes, 20_000_000);
    assert_eq!(config.storage.directory, Path::new("data"));
    assert_eq!(config.model.path, Path::new("models/default"));
    assert_eq!(config.model.device, DeviceChoice::Auto);
    assert_eq!(config.model.precision, PrecisionChoice::Auto);
    assert_eq!(config.image.max_pixels, 64_000_000);
    assert!(config.load_options().threads.is_none());
}

#[test]
fn every_setting_has_a_comment() {
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
        assert!(pair[0].starts_with("# ") || pair[1].starts_with('#'), "no comment above {}", pair[1]);
    }
}

#[test]
fn a_file_overrides_only_what_it_names() {
    let (config, _) = load("[server]\naddress = \"0.0.0.0:1\"\n[model]\nthreads = 3");
    let config = config.expect("valid");
    assert_eq!(config.server.address, "0.0.0.0:1");
    assert_eq!(config.load_options().threads, Some(3));
    assert_eq!(config.captioning.beam_size, 5);
}

#[test]
fn a_named_file_must_be_there() {
    let error = Config::load(Some(Path::new("no/such.toml"))).expect_err("no such file");
    assert_eq!(error.to_string(), "there is no configuration file no/such.toml");
}

#[test]
fn unknown_keys_and_sections_are_named_with_what_there_is() {
    let key = "[server]\nadress = \"x:1\"";
    assert_fault(key, &["server.adress: there is no such setting", "max_upload_bytes"]);
    assert_fault("[sever]\naddress = \"x:1\"", &["sever: there is no such setting", "captioning"]);
}

#[test]
fn bad_types_and_choices_are_named_with_what_is_allowed() {
    assert_fault("[server]\nmax_upload_bytes = \"much\"", &["server.max_upload_bytes: ", "much"]);
    assert_fault("[server]\nmax_upload_bytes = -1", &["server.max_upload_bytes: ", "-1"]);
    assert_fault("[model]\ndevice = \"tpu\"", &["model.device: ", "tpu", "cuda"]);
    assert_fault("[model]\nprecision = \"int8\"", &["model.precision: ", "bfloat16"]);
}

#[test]
fn a_file_that_is_no_toml_is_named() {
    assert_fault("[server", &[]);
}

#[test]
fn values_that_cannot_work_are_all_named() {
    let text = "[server]\naddress = \"localhost\"\n[captioning]\nbeam_size = 11";
    assert_fault(
        text,
        &["server.address: must be host:port", "captioning.beam_size: must be from 1 to captioning.max_beam_size"],
    );
}

#[test]
fn names_of_the_server_are_names_alone() {
    let with = |host: &str| format!("[server]\nhosts = [\"{host}\"]");
    for host in ["captions.example", "captions", "my_host-1.example"] {
        assert!(load(&with(host)).0.is_ok(), "{host}");
    }
    for host in ["", "https://captions.example", "captions.example:80", "captions.example/", "*"] {
        assert_fault(&with(host), &["server.hosts: must be names like captions.example"]);
    }
}

#[test]
fn a_server_that_only_this_machine_reaches_is_known_by_its_address() {
    let mut server = Config::defaults().expect("valid").server;
    for (address, locally) in [
        ("127.0.0.1:8080", true),
        ("127.1.2.3:80", true),
        ("[::1]:8080", true),
        ("[::ffff:127.0.0.1]:8080", true),
        ("LocalHost:0", true),
        ("0.0.0.0:8080", false),
        ("[::]:8080", false),
        ("192.168.0.7:8080", false),
        ("captions.example:8080", false),
    ] {
        server.address = address.to_owned();
        assert_eq!(server.listens_locally(), locally, "{address}");
    }
}

#[test]
fn timeouts_end_within_a_day() {
    for (section, key) in [
        ("server", "upload_timeout_seconds"),
        ("server", "header_timeout_seconds"),
        ("server", "answer_timeout_seconds"),
        ("captioning", "request_timeout_seconds"),
    ] {
        let with = |seconds: i64| format!("[{section}]\n{key} = {seconds}");
        assert!(load(&with(86_400)).0.is_ok(), "{section}.{key}");
        for seconds in [0, 86_401, i64::MAX] {
            assert_fault(&with(seconds), &[&format!("{section}.{key}: must be from 1 to 86400")]);
        }
    }
}

#[test]
fn there_is_memory_for_one_request_and_a_photo_that_it_has_fetched() {
    let server = "[server]\nmax_upload_bytes = 3_000_000\nmax_upload_memory_bytes = 5_000_000";
    assert!(load(server).0.is_ok());
    assert_fault(&format!("{server}\n[fetch]\nenabled = true"), &["server.max_upload_memory_bytes: must be enough"]);
}

#[test]
fn a_body_has_room_for_base64() {
    let config = Config::defaults().expect("valid");
    let body = config.server.max_body_bytes();
    assert!(body > config.server.max_upload_bytes.div_ceil(3) * 4);
}
