//! What is counted and measured, in Prometheus' words.
//!
//! Labels are bounded: route templates, known methods, status codes, problem codes, stages. Nothing that
//! a client writes becomes a label.

use crate::captioning::BatchSizes;
use crate::store::Timings;
use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::time::Duration;
use trainer::captioner::ModelInfo;

/// Counters of the whole program. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
    problems: IntCounterVec,
    captioned: IntCounter,
    from_store: IntCounter,
    with_others: IntCounter,
    stages: HistogramVec,
}

/// What is looked up when somebody asks for the metrics.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// Photos that wait for the model.
    pub queue_length: usize,
    /// Photos that may wait.
    pub queue_capacity: usize,
    /// The models that answer; none while they load.
    pub models: &'a [ModelInfo],
    /// Free bytes on the storage's disk, where the system tells.
    pub free_bytes: Option<u64>,
}

/// Upper edges in seconds, for requests and stages alike: from answers out of the store to a model that is
/// hard pressed.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

impl Metrics {
    /// Everything at zero; `batches` is counted by the model's thread.
    ///
    /// # Errors
    /// Never for a program that passes its tests: names and labels are fixed.
    pub fn new(batches: &BatchSizes) -> prometheus::Result<Metrics> {
        let registry = Registry::new();
        let metrics = Metrics {
            requests: IntCounterVec::new(
                Opts::new("expansionnet_http_requests_total", "Requests answered"),
                &["method", "route", "status"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new("expansionnet_http_request_seconds", "From a request's head to its answer's end")
                    .buckets(SECONDS.to_vec()),
                &["method", "route"],
            )?,
            in_flight: IntGauge::new("expansionnet_http_requests_in_flight", "Requests being answered")?,
            problems: IntCounterVec::new(
                Opts::new("expansionnet_problems_total", "Problems told to clients, by their code"),
                &["code"],
            )?,
            captioned: IntCounter::new("expansionnet_photos_captioned_total", "Photos captioned by the model")?,
            from_store: IntCounter::new("expansionnet_photos_from_store_total", "Photos answered from the store")?,
            with_others: IntCounter::new(
                "expansionnet_photos_joined_total",
                "Photos answered with what was being made of the same photo for another request",
            )?,
            stages: HistogramVec::new(
                HistogramOpts::new("expansionnet_stage_seconds", "Where a captioned photo's time went")
                    .buckets(SECONDS.to_vec()),
                &["stage"],
            )?,
            registry,
        };
        metrics.register(batches)?;
        Ok(metrics)
    }

    fn register(&self, batches: &BatchSizes) -> prometheus::Result<()> {
        let build = IntGaugeVec::new(Opts::new("expansionnet_build_info", "The program's version"), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let collectors: [Box<dyn Collector>; 10] = [
            Box::new(self.requests.clone()),
            Box::new(self.duration.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.problems.clone()),
            Box::new(self.captioned.clone()),
            Box::new(self.from_store.clone()),
            Box::new(self.with_others.clone()),
            Box::new(self.stages.clone()),
            Box::new(batches.collector()),
            Box::new(build),
        ];
        // Memory, processor time and open files, where the system has them in /proc.
        #[cfg(target_os = "linux")]
        self.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        collectors.into_iter().try_for_each(|collector| self.registry.register(collector))
    }

    /// A request came in.
    pub fn request_started(&self) {
        self.in_flight.inc();
    }

    /// A request ended, as [`Metrics::request_started`] said before. `route` is a template, never an address.
    pub fn request_ended(&self, method: &str, route: &str, status: &str, took: Duration) {
        self.in_flight.dec();
        self.requests.with_label_values(&[method, route, status]).inc();
        self.duration.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// A client was told of a problem with this code.
    pub fn problem(&self, code: &'static str) {
        self.problems.with_label_values(&[code]).inc();
    }

    /// The model captioned a photo.
    pub fn captioned(&self, timings: &Timings) {
        self.captioned.inc();
        let Timings { decode, queue, encode, search } = *timings;
        for (stage, milliseconds) in [("decode", decode), ("queue", queue), ("encode", encode), ("search", search)] {
            self.stages.with_label_values(&[stage]).observe(milliseconds / 1e3);
        }
    }

    /// A photo was captioned before.
    pub fn answered_from_store(&self) {
        self.from_store.inc();
    }

    /// A photo was being captioned for somebody else already.
    pub fn answered_with_others(&self) {
        self.with_others.inc();
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// Never for a program that passes its tests: names and labels are fixed.
    pub fn text(&self, now: &Snapshot<'_>) -> prometheus::Result<String> {
        let mut families = self.registry.gather();
        families.extend(now.registry()?.gather());
        TextEncoder::new().encode_to_string(&families)
    }
}

impl Snapshot<'_> {
    /// Gauges of their own for every answer, so that a model that is gone leaves no line.
    fn registry(&self) -> prometheus::Result<Registry> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str, value: u64| {
            let gauge = IntGauge::new(name, help)?;
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(Box::new(gauge))
        };
        gauge("expansionnet_queue_length", "Photos that wait for the model", self.queue_length as u64)?;
        gauge("expansionnet_queue_capacity", "Photos that may wait for the model", self.queue_capacity as u64)?;
        if let Some(free) = self.free_bytes {
            gauge("expansionnet_storage_free_bytes", "Free bytes on the disk of the photos", free)?;
        }
        let models = IntGaugeVec::new(
            Opts::new("expansionnet_model_info", "The models in service"),
            &["id", "revision", "device", "precision"],
        )?;
        for model in self.models {
            models.with_label_values(&[&model.id, &model.revision, &model.device, &model.precision]).set(1);
        }
        registry.register(Box::new(models))?;
        Ok(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Snapshot<'_> = Snapshot { queue_length: 3, queue_capacity: 64, models: &[], free_bytes: Some(10) };

    fn metrics() -> Metrics {
        Metrics::new(&BatchSizes::new(8)).expect("sound names")
    }

    #[track_caller]
    fn assert_has(metrics: &Metrics, line: &str) {
        let text = metrics.text(&IDLE).expect("text");
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }

    #[test]
    fn requests_are_counted_by_method_route_and_status() {
        let metrics = metrics();
        metrics.request_started();
        metrics.request_started();
        metrics.request_ended("GET", "/livez", "200", Duration::from_millis(2));
        assert_has(&metrics, "expansionnet_http_requests_in_flight 1");
        assert_has(&metrics, r#"expansionnet_http_requests_total{method="GET",route="/livez",status="200"} 1"#);
        assert_has(&metrics, r#"expansionnet_http_request_seconds_bucket{method="GET",route="/livez",le="0.001"} 0"#);
        assert_has(&metrics, r#"expansionnet_http_request_seconds_bucket{method="GET",route="/livez",le="0.0025"} 1"#);
    }

    #[test]
    fn stages_are_in_seconds() {
        let metrics = metrics();
        metrics.captioned(&Timings { decode: 8.0, queue: 0.0, encode: 500.0, search: 250.0 });
        assert_has(&metrics, "expansionnet_photos_captioned_total 1");
        assert_has(&metrics, r#"expansionnet_stage_seconds_sum{stage="encode"} 0.5"#);
        assert_has(&metrics, r#"expansionnet_stage_seconds_bucket{stage="decode",le="0.01"} 1"#);
    }

    #[test]
    fn what_is_looked_up_is_there_beside_what_is_counted() {
        let metrics = metrics();
        assert_has(&metrics, "expansionnet_queue_length 3");
        assert_has(&metrics, "expansionnet_queue_capacity 64");
        assert_has(&metrics, "expansionnet_storage_free_bytes 10");
        assert_has(&metrics, concat!(r#"expansionnet_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#));
        let text = metrics.text(&IDLE).expect("text");
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
        assert!(!text.contains("expansionnet_model_info{"), "no model, no line: {text}");
    }
}
