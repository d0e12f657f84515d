//! A caption as other people's pages take it.

/// `alt="…"`, for a double-quoted attribute of HTML.
pub(super) fn alt_attribute(caption: &str) -> String {
    let escaped = caption.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    format!("alt=\"{escaped}\"")
}

/// `![…](name)`; names with characters that would end the link stand in angle brackets.
pub(super) fn markdown_image(caption: &str, file_name: &str) -> String {
    let caption = escape(caption, &['\\', '[', ']', '`', '*', '_', '<']);
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')' | '<' | '>' | '\\');
    if file_name.chars().all(plain) {
        format!("![{caption}]({file_name})")
    } else {
        format!("![{caption}](<{}>)", escape(file_name, &['\\', '<', '>']))
    }
}

fn escape(text: &str, special: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_markup_cannot_leave_the_attribute() {
        assert_eq!(
            alt_attribute("A \"big\" dog & <b>cat</b>."),
            "alt=\"A &quot;big&quot; dog &amp; &lt;b&gt;cat&lt;/b&gt;.\""
        );
    }

    #[test]
    fn brackets_cannot_end_the_markdown() {
        assert_eq!(markdown_image("A dog.", "dog.jpg"), "![A dog.](dog.jpg)");
        assert_eq!(markdown_image("[x](y)", "my dog (1).jpg"), "![\\[x\\](y)](<my dog (1).jpg>)");
    }
}
