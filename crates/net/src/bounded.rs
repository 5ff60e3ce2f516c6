//! A stream of lines that is read only so far.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use reqwest::{Body, Response};

/// The body is longer than its reader allows.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body is longer than {most} bytes")]
struct TooLong {
    most: u64,
}

/// The same response, whose body comes in whole lines and ends in an error once more than `most` bytes of it came, unpacked where
/// they were packed. For bodies that are handed to a reader without limits of its own, who looks through all that it has of a
/// line with each part that comes: a line in a million parts would keep a core busy.
pub fn bounded(response: Response, most: u64) -> Response {
    let (parts, body) = http::Response::<Body>::from(response).into_parts();
    let bounded = Bounded { body, most, left: most, line: BytesMut::new() };
    http::Response::from_parts(parts, Body::wrap(bounded)).into()
}

struct Bounded {
    body: Body,
    most: u64,
    left: u64,
    /// What has come of a line whose end has not.
    line: BytesMut,
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(context)) else {
                let rest = this.line.split().freeze();
                return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
            };
            // Trailers have nothing for a reader of lines.
            let Ok(data) = frame?.into_data() else { continue };
            let Some(left) = this.left.checked_sub(data.len() as u64) else {
                return Poll::Ready(Some(Err(TooLong { most: this.most }.into())));
            };
            this.left = left;
            let before = this.line.len();
            this.line.extend_from_slice(&data);
            if let Some(end) = data.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
                return Poll::Ready(Some(Ok(Frame::data(this.line.split_to(before + end + 1).freeze()))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.line.is_empty() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, convert::Infallible};

    use super::*;

    /// A body that comes in these parts.
    struct Parts(VecDeque<&'static str>);

    impl http_body::Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(Bytes::from(part)))))
        }
    }

    fn response(parts: &[&'static str]) -> Response {
        http::Response::new(Body::wrap(Parts(parts.iter().copied().collect()))).into()
    }

    /// Without the comparison all of it would be read.
    #[tokio::test]
    async fn no_more_is_read_than_is_allowed() {
        let all = || response(&["12345", "67890"]);
        assert_eq!(bounded(all(), 10).text().await.expect("all of it"), "1234567890");
        bounded(all(), 9).text().await.expect_err("too long");
    }

    #[tokio::test]
    async fn what_comes_in_parts_is_handed_on_in_lines() {
        let mut response = bounded(response(&["da", "ta: 1\nda", "ta: 2\r", "\n\n", "data"]), 100);
        let mut handed_on = Vec::new();
        while let Some(part) = response.chunk().await.expect("a part") {
            handed_on.push(String::from_utf8(part.to_vec()).expect("text"));
        }
        assert_eq!(handed_on, ["data: 1\n", "data: 2\r", "\n\n", "data"]);
    }
}
