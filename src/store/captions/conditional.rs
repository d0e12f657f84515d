//! Changes of a caption on the condition that it is as expected, so that nobody's change is written over unseen.

use super::history::{delete, edit};
use super::{StoredCaption, by_id};
use crate::store::{Store, StoreError};

/// What came of a change.
#[derive(Debug)]
pub enum Conditional<T> {
    /// It was made.
    Done(T),
    /// The caption is not as expected: nothing was changed.
    Otherwise,
    /// The caption is not there.
    Gone,
}

impl Store {
    /// As [`Store::edit_caption`], if the caption is as expected.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn edit_caption_if(
        &self,
        id: &str,
        text: Option<&str>,
        is_expected: impl Fn(&StoredCaption) -> bool,
    ) -> Result<Conditional<StoredCaption>, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        match by_id(&mut *transaction, id).await? {
            None => return Ok(Conditional::Gone),
            Some(found) if !is_expected(&found) => return Ok(Conditional::Otherwise),
            Some(_) => edit(&mut *transaction, id, text).await?,
        }
        let edited = by_id(&mut *transaction, id).await?;
        transaction.commit().await?;
        Ok(edited.map_or(Conditional::Gone, Conditional::Done))
    }

    /// Deletes a caption, as [`Store::delete_captions`], if it is as expected.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_caption_if(
        &self,
        id: &str,
        is_expected: impl Fn(&StoredCaption) -> bool,
    ) -> Result<Conditional<()>, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        match by_id(&mut *transaction, id).await? {
            None => return Ok(Conditional::Gone),
            Some(found) if !is_expected(&found) => return Ok(Conditional::Otherwise),
            Some(_) => delete(&mut *transaction, &[id.to_owned()]).await?,
        };
        transaction.commit().await?;
        Ok(Conditional::Done(()))
    }
}
