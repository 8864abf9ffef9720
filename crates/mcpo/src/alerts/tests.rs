use super::*;

#[test]
fn the_page_says_which_webhook_it_is_and_nothing_of_the_rest_of_its_address() {
    let hook = |name: &str, url: &str, result| (name.to_owned(), origin(url).to_owned(), result);
    let page = page(&[
        hook("1:slack", "https://hooks.example/T0/secret", Ok(())),
        hook("2:json", "http://[::1]:9?key=secret", Err(DeliveryError::Broken)),
        hook("3:json", "http://me:secret@host/", Ok(())),
    ]);
    let plain = anstream::adapter::strip_str(&page).to_string();
    assert!(!plain.contains("secret"), "{plain}");
    let lines: Vec<&str> = plain.lines().collect();
    assert!(lines[0].starts_with("+ 1:slack  https://hooks.example  took"), "{plain}");
    assert!(lines[1].starts_with("x 2:json   http://[::1]:9         "), "{plain}");
}
