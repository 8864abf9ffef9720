use super::*;

#[test]
fn every_tool_up_to_the_bound_is_found_again_and_nothing_else() {
    let shelf = Shelf::default();
    let name = |number: usize| format!("a_tool_with_a_longer_name_{number}");
    for number in 0..TOOLS_MAX {
        assert!(shelf.find(&name(number)).is_none());
        let added = shelf.find_or_add(&name(number), || true).expect("there is room");
        let found = shelf.find(&name(number)).expect("it was just added");
        assert!(std::ptr::eq(added, found) && found.name() == name(number));
    }
    assert_eq!((shelf.len(), shelf.tools().count()), (TOOLS_MAX, TOOLS_MAX));
    assert!(shelf.find_or_add("one more", || true).is_none());
    for number in 0..TOOLS_MAX {
        assert_eq!(shelf.find(&name(number)).map(Tool::name), Some(&*name(number)));
    }
}

#[test]
fn one_that_may_not_be_added_is_not_and_one_that_is_there_needs_no_leave() {
    let shelf = Shelf::default();
    assert!(shelf.find_or_add("tool", || false).is_none());
    assert_eq!(shelf.len(), 0);
    shelf.find_or_add("tool", || true).expect("it may");
    assert!(shelf.find_or_add("tool", || false).is_some());
}

#[test]
fn many_that_come_at_once_are_added_once() {
    let shelf = Shelf::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..500 {
                    let name = number.to_string();
                    let tool = shelf.find(&name).or_else(|| shelf.find_or_add(&name, || true));
                    assert_eq!(tool.map(Tool::name), Some(&*name));
                }
            });
        }
    });
    assert_eq!((shelf.len(), shelf.tools().count()), (500, 500));
}
