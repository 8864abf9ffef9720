use super::*;

#[test]
fn numbers_of_another_process_are_none_of_ours() {
    let (one, two) = (Boot(0xab), Boot(0xcd));
    let read = |boot: Boot, id: &str| boot.read(&HeaderValue::from_str(id).unwrap());
    assert_eq!(one.id(7), "000000ab-7");
    assert_eq!(read(one, &one.id(7)), Some(7));
    assert_eq!(read(two, &one.id(7)), Some(0), "all that this process tells is new");
    for nonsense in ["", "7", "-", "ab-", "-7", "ab-x", "zz-7", "ab-7-7", "100000000-7", "ab--7"] {
        assert_eq!(read(one, nonsense), None, "{nonsense}");
    }
    assert_ne!(Boot::new(), Boot::new());
}
