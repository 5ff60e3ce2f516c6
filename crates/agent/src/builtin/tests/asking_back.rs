//! Words that fit several columns alike: asked about once.

use super::*;

/// Patients with two columns that "pressure" fits alike.
fn ward() -> Vec<Value> {
    let column =
        |name: &str, kind: &str| json!({ "name": name, "type": kind, "samples": [], "distinctEstimate": 50 });
    vec![json!({ "table": "patients", "rowEstimate": 300, "columns": [
        column("patient_no", "integer"), column("ward", "text"),
        column("systolic_pressure", "float"), column("diastolic_pressure", "float")] })]
}

#[test]
fn words_that_fit_two_columns_are_asked_about_and_the_choice_is_unambiguous() {
    let catalog = catalog(&ward(), Dialect::DuckDb);
    let text = "What is the average pressure by ward?";
    let today = NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day");
    let question = Question::new(text, today);
    let reading = read(&catalog, text).expect("a reading");
    assert!(
        reading.assumptions.iter().any(|said| said.contains("could also be")),
        "{:?}",
        reading.assumptions
    );
    let back = clarify::ask(&question, &reading).expect("a question back");
    assert_eq!(back.headline, "Which “pressure” do you mean?");
    assert_eq!(
        back.choices,
        ["What is the average systolic pressure by ward?", "What is the average diastolic pressure by ward?"]
    );
    for choice in &back.choices {
        let reading = read(&catalog, choice).expect("a reading");
        assert!(reading.doubts.is_empty(), "{choice}: {:?}", reading.doubts);
    }
}

#[test]
fn a_choice_that_was_made_is_not_asked_about_again() {
    let text = "What is the average pressure by ward?";
    let results = json!({ "result": "r1", "columns": [{ "name": "ward", "type": "text" },
                          { "name": "avg_systolic_pressure", "type": "float" }],
                          "rowCount": 2, "rows": [["North", 131.5], ["South", 120.25]], "truncated": null });
    // Either turn looks first for values that the question spells.
    let none = json!({ "error": { "code": "timeout", "message": "it took too long" } });
    let mut talk = Talk::new(text, vec![none.clone(), none, results]);
    talk.tables = ward();
    let Message::Context(context) = &mut talk.messages[0] else { panic!("a context") };
    context.is_task = false;
    let (_, back) = talk.play();
    assert_eq!(back["headline"], "Which “pressure” do you mean?");

    // However it comes that a choice is as open as the question was: asked again, it would go round for ever.
    let arguments = json!({ "headline": "Which?", "choices": [text, "How many wards are there?"] });
    let call = ToolCall { id: "b9".into(), name: "answer".into(), arguments };
    talk.messages.push(Message::Assistant { text: String::new(), tool_calls: vec![call] });
    talk.messages.push(Message::User { text: text.into() });
    let (_, answer) = talk.play();
    assert!(answer.get("choices").is_none_or(|choices| *choices == json!([])), "{answer}");
    assert_eq!(answer["results"], json!(["r1"]));
    let caveats = answer["caveats"].to_string();
    assert!(caveats.contains("I took “pressure” to mean `systolic_pressure`"), "{answer}");
}
