//! A table for spreadsheets: one row a caption.

use super::Encode;
use crate::store::StoredCaption;
use csv::Writer;
use std::io;

/// CSV as RFC 4180 has it, UTF-8, with a head line.
pub(super) struct Csv;

const COLUMNS: [&str; 12] = [
    "file_name",
    "caption",
    "generated_caption",
    "edited_at",
    "score",
    "model",
    "width",
    "height",
    "created_at",
    "id",
    "image_id",
    "sha256",
];

impl Encode for Csv {
    fn head(&mut self) -> io::Result<Vec<u8>> {
        rows([COLUMNS.map(str::to_owned)])
    }

    fn page(&mut self, captions: Vec<StoredCaption>) -> io::Result<Vec<u8>> {
        rows(captions.into_iter().map(|caption| {
            [
                harmless(caption.file_name.clone().unwrap_or_default()),
                harmless(caption.shown().to_owned()),
                harmless(caption.caption),
                caption.edited_at.unwrap_or_default(),
                caption.score.to_string(),
                harmless(caption.model_id),
                caption.width.to_string(),
                caption.height.to_string(),
                caption.created_at,
                caption.id,
                caption.image_id,
                caption.sha256,
            ]
        }))
    }

    fn tail(self: Box<Self>) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

fn rows(rows: impl IntoIterator<Item = [String; COLUMNS.len()]>) -> io::Result<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

/// Text that no spreadsheet takes for a formula: an apostrophe goes before what begins like one.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(harmless(formula.to_owned()), format!("'{formula}"));
        }
        assert_eq!(harmless("A dog = 1.".to_owned()), "A dog = 1.");
    }

    #[test]
    fn cells_with_commas_quotes_and_lines_are_quoted() {
        let mut row = [const { String::new() }; COLUMNS.len()];
        row[0] = "a, \"b\"\nc".to_owned();
        let text = rows([row]).expect("written");
        assert_eq!(String::from_utf8(text).expect("UTF-8"), "\"a, \"\"b\"\"\nc\",,,,,,,,,,,\n");
    }
}
