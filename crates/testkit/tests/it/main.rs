//! The fake Slack, judged by Slack's own client library.

mod slack_sdk;
