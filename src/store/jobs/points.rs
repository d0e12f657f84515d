//! Figures of a job for plots: many are kept, few are given, each bucket with its mean and its extremes.

use crate::store::{Store, StoreError, json_list};
use sqlx::{FromRow, SqliteConnection};
use std::collections::BTreeMap;

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The phase it belongs to.
    pub phase: String,
    /// `loss`, `learning_rate`, `CIDEr-D`, `per_second`, `cpu_percent`, …
    pub name: String,
    /// Iterations done.
    pub iteration: u64,
    /// Seconds since 1970.
    pub time: f64,
    /// The figure.
    pub value: f64,
}

/// Which figures.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// Their names; none: all.
    pub names: Vec<String>,
    /// Points of each series at most.
    pub points: u32,
    /// Only those of later iterations.
    pub after_iteration: Option<i64>,
}

/// A figure of one phase over its iterations.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The phase.
    pub phase: String,
    /// The figure.
    pub name: String,
    /// Iteration, seconds since 1970, mean, smallest and largest value of each bucket; the first two are the
    /// bucket's last.
    pub points: Vec<(i64, f64, f64, f64, f64)>,
}

/// What a figure has come to in one phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FigureRange {
    /// Its newest value.
    pub newest: f64,
    /// The lowest.
    pub least: f64,
    /// The highest.
    pub most: f64,
}

#[derive(FromRow)]
struct Bucket {
    phase: String,
    name: String,
    iteration: i64,
    time: f64,
    mean: f64,
    least: f64,
    most: f64,
}

impl Store {
    /// The series of a job, by phase and name; buckets hold as many points each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_series(&self, id: &str, query: &SeriesQuery) -> Result<Vec<Series>, StoreError> {
        let buckets: Vec<Bucket> = sqlx::query_as(
            "WITH wanted AS ( \
                 SELECT phase, name, MIN(place) AS first, COUNT(*) AS count FROM job_points \
                 WHERE job_id = ?1 AND (?2 = '[]' OR name IN (SELECT value FROM json_each(?2))) AND iteration > ?3 \
                 GROUP BY phase, name) \
             SELECT p.phase, p.name, MAX(p.iteration) AS iteration, MAX(p.time) AS time, \
                 AVG(p.value) AS mean, MIN(p.value) AS least, MAX(p.value) AS most \
             FROM wanted CROSS JOIN job_points p \
             ON p.job_id = ?1 AND p.phase = wanted.phase AND p.name = wanted.name AND p.place >= wanted.first \
             GROUP BY p.phase, p.name, (p.place - wanted.first) * ?4 / MAX(wanted.count, ?4) \
             ORDER BY p.phase, p.name, iteration, time",
        )
        .bind(id)
        .bind(json_list(&query.names))
        .bind(query.after_iteration.unwrap_or(-1))
        .bind(query.points.max(1))
        .fetch_all(&self.database)
        .await?;
        let mut series: Vec<Series> = Vec::new();
        for Bucket { phase, name, iteration, time, mean, least, most } in buckets {
            if series.last().is_none_or(|last| (&last.phase, &last.name) != (&phase, &name)) {
                series.push(Series { phase, name, points: Vec::new() });
            }
            if let Some(last) = series.last_mut() {
                last.points.push((iteration, time, mean, least, most));
            }
        }
        Ok(series)
    }

    /// Adds figures that no event told of.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_job_points(&self, id: &str, points: &[Point]) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        append(&mut transaction, id, points).await?;
        Ok(transaction.commit().await?)
    }

    /// What every figure has come to, by phase and name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_figures(&self, id: &str) -> Result<BTreeMap<(String, String), FigureRange>, StoreError> {
        let figures: Vec<(String, String, f64, f64, f64)> = sqlx::query_as(
            "WITH known AS ( \
                 SELECT phase, name, MAX(place) AS last, MIN(value) AS least, MAX(value) AS most FROM job_points \
                 WHERE job_id = ?1 GROUP BY phase, name) \
             SELECT p.phase, p.name, p.value, known.least, known.most \
             FROM known CROSS JOIN job_points p \
             ON p.job_id = ?1 AND p.phase = known.phase AND p.name = known.name AND p.place = known.last",
        )
        .bind(id)
        .fetch_all(&self.database)
        .await?;
        let figure = |(phase, name, newest, least, most)| ((phase, name), FigureRange { newest, least, most });
        Ok(figures.into_iter().map(figure).collect())
    }
}

/// Puts points behind those of their series.
pub(super) async fn append(connection: &mut SqliteConnection, id: &str, points: &[Point]) -> Result<(), StoreError> {
    let mut next: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut rows = Vec::with_capacity(points.len());
    for point in points.iter().filter(|point| point.value.is_finite()) {
        let series = (point.phase.as_str(), point.name.as_str());
        let place = match next.get(&series) {
            Some(&place) => place,
            None => first_free(connection, id, series).await?,
        };
        next.insert(series, place + 1);
        rows.push((&point.phase, &point.name, place, point.iteration, point.time, point.value));
    }
    sqlx::query(
        "INSERT INTO job_points (job_id, phase, name, place, iteration, time, value) \
         SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?2)",
    )
    .bind(id)
    .bind(json_list(rows))
    .execute(connection)
    .await?;
    Ok(())
}

async fn first_free(
    connection: &mut SqliteConnection,
    id: &str,
    (phase, name): (&str, &str),
) -> Result<i64, StoreError> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT MAX(place) FROM job_points WHERE job_id = ? AND phase = ? AND name = ?")
            .bind(id)
            .bind(phase)
            .bind(name)
            .fetch_one(connection)
            .await?;
    Ok(last.map_or(0, |last| last + 1))
}

/// Takes the points of a phase away that lie after an iteration.
pub(super) async fn rewind(
    connection: &mut SqliteConnection,
    id: &str,
    phase: &str,
    iteration: u64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM job_points WHERE job_id = ? AND phase = ? AND iteration > ?")
        .bind(id)
        .bind(phase)
        .bind(i64::try_from(iteration).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
    Ok(())
}
