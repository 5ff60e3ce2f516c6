//! Lists: one shape, opaque cursors.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use store::{Cursor, Page, Paged};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{Error, Result};

/// How many items a page has unless said otherwise.
const DEFAULT_LIMIT: u32 = 25;
/// The most items of a page.
pub(crate) const LIMIT_MAX: u32 = 100;

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items of this page, in order.
    pub(crate) values: Vec<T>,
    /// Where the neighbouring pages are.
    pub(crate) pagination: Pagination,
}

/// Cursors of the neighbouring pages.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Pagination {
    /// Give this as `after` for the next page; null on the last.
    #[schema(required)]
    pub(crate) after: Option<String>,
    /// Give this as `before` for the previous page; null on the first.
    #[schema(required)]
    pub(crate) before: Option<String>,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Cursor: what comes after it.
    pub(crate) after: Option<String>,
    /// Cursor: what comes before it.
    pub(crate) before: Option<String>,
    /// 1 to 100, 25 by default.
    #[param(minimum = 1, maximum = 100)]
    pub(crate) limit: Option<i64>,
}

impl PageQuery {
    /// The part of a list that is at hand as a whole.
    pub(crate) fn part(&self) -> Result<Part> {
        Part::new(self.limit, LIMIT_MAX, self.after.as_deref(), self.before.as_deref())
    }
}

/// Which page of a list that only leads forth.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ForwardQuery {
    /// Cursor: what comes after it.
    pub(crate) after: Option<String>,
    /// 1 to 100, 25 by default.
    #[param(minimum = 1, maximum = 100)]
    pub(crate) limit: Option<i64>,
}

impl ForwardQuery {
    /// The rows to ask the store for.
    pub(crate) fn page(&self) -> Result<Page> {
        page(self.limit, self.after.as_deref())
    }
}

/// Which part of a list: from one place on, or up to one.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    limit: usize,
    after: Option<Cursor>,
    before: Option<Cursor>,
    is_latest: bool,
}

impl Part {
    /// A part of at most `limit` items, itself at most `max`.
    pub(crate) fn new(
        limit: Option<i64>,
        max: u32,
        after: Option<&str>,
        before: Option<&str>,
    ) -> Result<Self> {
        if after.is_some() && before.is_some() {
            return Err(Error::field("before", "give `after` or `before`, not both"));
        }
        Ok(Self {
            limit: check_limit(limit, max)? as usize,
            after: after.map(|text| read_cursor("after", text)).transpose()?,
            before: before.map(|text| read_cursor("before", text)).transpose()?,
            is_latest: false,
        })
    }

    /// Where no cursor is given: the list's end instead of its start.
    pub(crate) const fn latest(mut self) -> Self {
        self.is_latest = self.after.is_none() && self.before.is_none();
        self
    }

    /// Sorts a whole list by its items' cursors and cuts this part out.
    pub(crate) fn cut<T>(
        &self,
        values: Vec<T>,
        is_descending: bool,
        cursor: impl Fn(&T) -> Cursor,
    ) -> List<T> {
        let order = |one: &Cursor, other: &Cursor| {
            let order = (&one.key, one.id).cmp(&(&other.key, other.id));
            if is_descending { order.reverse() } else { order }
        };
        let mut values: Vec<_> = values.into_iter().map(|value| (cursor(&value), value)).collect();
        values.sort_by(|(one, _), (other, _)| order(one, other));
        let (start, end) = match (&self.after, &self.before) {
            _ if self.is_latest => (values.len().saturating_sub(self.limit), values.len()),
            (_, Some(before)) => {
                let end = values.partition_point(|(cursor, _)| order(cursor, before).is_lt());
                (end.saturating_sub(self.limit), end)
            }
            (after, None) => {
                let start = after
                    .as_ref()
                    .map_or(0, |after| values.partition_point(|(cursor, _)| order(cursor, after).is_le()));
                (start, values.len().min(start + self.limit))
            }
        };
        let pagination = Pagination {
            after: (end < values.len() && start < end).then(|| write_cursor(&values[end - 1].0)),
            before: (start > 0 && start < end).then(|| write_cursor(&values[start].0)),
        };
        let values = values.drain(start..end).map(|(_, value)| value).collect();
        List { values, pagination }
    }
}

/// The rows to ask the store for, of a list that only leads forth.
pub(crate) fn page(limit: Option<i64>, after: Option<&str>) -> Result<Page> {
    Ok(Page::after(check_limit(limit, LIMIT_MAX)?, after.map(|text| read_cursor("after", text)).transpose()?))
}

/// A limit between 1 and `max`.
pub(crate) fn check_limit(limit: Option<i64>, max: u32) -> Result<u32> {
    let Some(limit) = limit else { return Ok(DEFAULT_LIMIT) };
    u32::try_from(limit)
        .ok()
        .filter(|limit| (1..=max).contains(limit))
        .ok_or_else(|| Error::field("limit", format!("must be a number from 1 to {max}")))
}

impl<T> List<T> {
    /// A page as the store answers it.
    pub(crate) fn of<Row>(paged: Paged<Row>, value: impl FnMut(Row) -> T) -> Self {
        let after = paged.next.as_ref().map(write_cursor);
        Self {
            values: paged.values.into_iter().map(value).collect(),
            pagination: Pagination { after, before: None },
        }
    }

    /// The same page of other values.
    pub(crate) fn map<U>(self, map: impl FnMut(T) -> U) -> List<U> {
        List { values: self.values.into_iter().map(map).collect(), pagination: self.pagination }
    }

    /// A list that has but one page.
    pub(crate) fn whole(values: Vec<T>) -> Self {
        Self { values, pagination: Pagination::default() }
    }
}

/// A cursor as text: base64 of the id's bytes and the sort key.
pub(crate) fn write_cursor(cursor: &Cursor) -> String {
    let mut bytes = cursor.id.as_bytes().to_vec();
    bytes.extend(cursor.key.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor that was given as the parameter `name`.
pub(crate) fn read_cursor(name: &str, text: &str) -> Result<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let cursor = bytes.as_deref().and_then(|bytes| bytes.split_first_chunk::<16>()).and_then(|(id, key)| {
        let key = String::from_utf8(key.to_vec()).ok().filter(|key| !key.contains('\0'))?;
        Some(Cursor { id: Uuid::from_bytes(*id), key })
    });
    cursor.ok_or_else(|| Error::field(name, "is not a cursor of this list; take one from `pagination`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_forth_and_back_and_stand_still_under_inserts() {
        let cursor = |number: &u32| Cursor { key: format!("{number:03}"), id: Uuid::nil() };
        let part = |after: Option<&str>, before: Option<&str>| {
            Part::new(Some(2), 10, after, before).expect("a part")
        };
        for is_descending in [false, true] {
            let first = part(None, None).cut(vec![10, 30, 20, 40, 50], is_descending, cursor);
            assert_eq!(first.values, if is_descending { vec![50, 40] } else { vec![10, 20] });
            assert_eq!(first.pagination.before, None);
            // Something new on either side of the place moves nothing.
            let second = part(first.pagination.after.as_deref(), None).cut(
                vec![5, 10, 20, 30, 40, 50, 60],
                is_descending,
                cursor,
            );
            assert_eq!(second.values, if is_descending { vec![30, 20] } else { vec![30, 40] });
            let back = part(None, second.pagination.before.as_deref()).cut(
                vec![10, 20, 30, 40, 50],
                is_descending,
                cursor,
            );
            assert_eq!(back.values, first.values);
            let last = part(second.pagination.after.as_deref(), None).cut(
                vec![10, 20, 30, 40, 50],
                is_descending,
                cursor,
            );
            assert_eq!(last.values, if is_descending { vec![10] } else { vec![50] });
            assert_eq!(last.pagination.after, None);
        }
    }

    #[test]
    fn a_cursor_survives_its_text_and_a_forged_one_is_refused() {
        let cursor = Cursor { key: "Größe".to_owned(), id: Uuid::from_u128(7) };
        assert_eq!(read_cursor("after", &write_cursor(&cursor)).expect("a cursor"), cursor);
        let forged = [URL_SAFE_NO_PAD.encode([0xff; 20]), URL_SAFE_NO_PAD.encode([0; 17])];
        for text in ["", "abc", "!!!!", &forged[0], &forged[1]] {
            assert!(matches!(read_cursor("after", text), Err(Error::Invalid(_))), "{text} was taken");
        }
    }
}
