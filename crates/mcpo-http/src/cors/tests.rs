use serde_json::Value;

use super::*;

/// The part of the headers that is the business of CORS.
fn crossing(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut ours: Vec<(String, String)> = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("access-control-") || *name == VARY)
        .filter(|(name, _)| *name != ACCESS_CONTROL_EXPOSE_HEADERS)
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    ours.sort();
    ours
}

fn expected(headers: &Value) -> Vec<(String, String)> {
    let mut theirs: Vec<(String, String)> = headers
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.starts_with("access-control-") || *name == "vary")
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    theirs.sort();
    theirs
}

#[test]
fn crossings_are_answered_as_by_the_original() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/cors.json")).unwrap();
    for (name, origins) in [("any", "*"), ("one", "https://a.example")] {
        let cors = Cors::new(&[origins.to_owned()]);
        for case in fixture[name].as_array().unwrap() {
            let method: Method = case["ask"][0].as_str().unwrap().parse().unwrap();
            let mut headers = HeaderMap::new();
            for (name, value) in case["ask"][2].as_object().unwrap() {
                let name: HeaderName = name.parse().unwrap();
                headers.insert(name, value.as_str().unwrap().parse().unwrap());
            }
            let status = case["status"].as_u64().unwrap();
            let told = if let Some(told) = cors.preflight(&method, &headers) {
                assert_eq!(u64::from(told.status().as_u16()), status, "{case}");
                told
            } else {
                let mut told = Answer::default();
                cors.permit(&headers).apply(&mut told);
                told
            };
            assert_eq!(crossing(told.headers()), expected(&case["headers"]), "{case}");
        }
    }
}

#[test]
fn an_answer_within_one_origin_carries_nothing() {
    let mut told = Answer::default();
    Cors::new(&["*".to_owned()]).permit(&HeaderMap::new()).apply(&mut told);
    assert!(told.headers().is_empty());
}
