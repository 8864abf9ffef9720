use http_body_util::BodyExt;

use super::*;

#[tokio::test]
async fn a_title_cannot_break_out_and_nothing_is_loaded_from_elsewhere() {
    for told in [swagger("</title><script>a&'\""), redoc("</title><script>a&'\"")] {
        assert!(
            told.headers()[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .contains("script-src 'self';")
        );
        let html = told.into_body().collect().await.unwrap().to_bytes();
        let html = str::from_utf8(&html).unwrap();
        assert!(html.contains("<title>&lt;/title&gt;&lt;script&gt;a&amp;&#39;&quot; - "), "{html}");
        assert!(!html.contains("//"), "{html}");
        assert!(!html.contains("<script>"), "{html}");
    }
}
