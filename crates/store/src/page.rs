//! Pages of lists, by position of the last row seen, so that inserts neither repeat nor hide a row.

use uuid::Uuid;

/// Where in a list a page ends: the sort key of its last row, and the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The sort key as text; empty where the list is sorted by id alone.
    pub key: String,
    /// The row.
    pub id: Uuid,
}

/// Which rows to list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The most rows.
    pub limit: u32,
    /// Start behind this row.
    pub after: Option<Cursor>,
}

impl Page {
    /// The first `limit` rows.
    pub const fn first(limit: u32) -> Self {
        Self { limit, after: None }
    }

    /// The `limit` rows after a cursor.
    pub const fn after(limit: u32, after: Option<Cursor>) -> Self {
        Self { limit, after }
    }

    /// One more than asked for, to learn whether there are more.
    pub(crate) const fn rows_to_fetch(&self) -> i64 {
        self.limit as i64 + 1
    }

    /// The row to start behind in a list sorted by id alone.
    pub(crate) fn after_id(&self) -> Option<Uuid> {
        self.after.as_ref().map(|cursor| cursor.id)
    }

    /// Drops the row too many and makes the cursor of the next page from the last row's sort key.
    pub(crate) fn cut<T>(&self, mut values: Vec<T>, key: impl Fn(&T) -> (String, Uuid)) -> Paged<T> {
        let has_more = values.len() > self.limit as usize;
        values.truncate(self.limit as usize);
        let next = values.last().filter(|_| has_more).map(|last| {
            let (key, id) = key(last);
            Cursor { key, id }
        });
        Paged { values, next }
    }
}

/// Some rows of a list.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// The rows, in order.
    pub values: Vec<T>,
    /// Where the next page starts, if there are more rows.
    pub next: Option<Cursor>,
}

impl<T> Paged<T> {
    /// The same page of other values.
    pub fn map<U>(self, map: impl FnMut(T) -> U) -> Paged<U> {
        Paged { values: self.values.into_iter().map(map).collect(), next: self.next }
    }
}
