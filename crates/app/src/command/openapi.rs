//! `tidings openapi`.

pub(crate) fn run() {
    print!("{}", api::document_json());
}
