use super::*;

#[test]
fn each_is_found_at_its_place_and_nothing_else_also_after_it_grew() {
    let names: Vec<String> = (0..1000).map(|number| format!("name_{number}")).collect();
    let name_at = |place: usize| names[place].as_str();
    let mut places = Places::with_capacity(3);
    for (place, name) in names.iter().enumerate() {
        assert_eq!(places.find(name, name_at), None);
        places.add(place, name_at);
    }
    for (place, name) in names.iter().enumerate() {
        assert_eq!(places.find(name, name_at), Some(place));
    }
    assert_eq!(places.find("name_1000", name_at), None);
    assert_eq!(places.find("", name_at), None);
}
