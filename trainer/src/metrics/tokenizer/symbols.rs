//! Faces, tags, addresses, and signs that belong together.

use super::characters::{ascii_letter_follows, run, starts_with, starts_with_any_case};

/// `:)`, `;-P`, `>:(`: its length at the start of `text`, if nothing of a word follows; else 0.
pub(super) fn face(text: &[char]) -> usize {
    let brow = usize::from(matches!(text.first(), Some('<' | '>')));
    if !matches!(text.get(brow), Some(':' | ';' | '=')) {
        return 0;
    }
    let nose = usize::from(matches!(text.get(brow + 1), Some('-' | 'o' | '*' | '\'')));
    let mouth = |place: usize| {
        text.get(place).is_some_and(|&next| "()DPdpO\\{@|[]".contains(next))
            && !text.get(place + 1).is_some_and(char::is_ascii_alphanumeric)
    };
    [nose, 0].into_iter().map(|nose| brow + 1 + nose).find(|&place| mouth(place)).map_or(0, |place| place + 1)
}

/// `^_^`, `(-_-)`, `(^^)`: its length at the start of `text`; else 0.
pub(super) fn upright_face(text: &[char]) -> usize {
    let eye = |place: usize| text.get(place).is_some_and(|&next| "-^x=~<>'".contains(next));
    if text.first() == Some(&'(') {
        let mouth = usize::from(matches!(text.get(2), Some('_' | '.' | '-')));
        let closed =
            [2 + mouth, 2].into_iter().find(|&place| eye(1) && eye(place) && text.get(place + 1) == Some(&')'));
        return closed.map_or(0, |place| place + 2);
    }
    if eye(0) && text.get(1) == Some(&'_') && eye(2) { 3 } else { 0 }
}

/// `<br>`, `</b>`, `<a href="x">`, `<!-- x -->`: its length at the start of `text`; else 0.
pub(super) fn tag(text: &[char]) -> usize {
    if text.first() != Some(&'<') {
        return 0;
    }
    if matches!(text.get(1), Some('!' | '?')) {
        let inside = run(&text[2..], |next| next != '>' && next != '<');
        return if inside > 0 && text.get(2 + inside) == Some(&'>') { inside + 3 } else { 0 };
    }
    let mut place = 1 + usize::from(text.get(1) == Some(&'/'));
    if !ascii_letter_follows(&text[place..]) {
        return 0;
    }
    loop {
        place += run(&text[place..], |next| next.is_ascii_alphanumeric() || ":.-_".contains(next));
        if text.get(place) == Some(&'=') {
            let Some(&quote @ ('"' | '\'')) = text.get(place + 1) else { return 0 };
            place += 2 + run(&text[place + 2..], |next| next != quote) + 1;
        }
        let Some(rest) = text.get(place..) else { return 0 };
        let spaces = run(rest, |next| next == ' ');
        match &rest[spaces..] {
            ['>', ..] => return place + spaces + 1,
            ['/', '>', ..] => return place + spaces + 2,
            after if spaces > 0 && ascii_letter_follows(after) => place += spaces,
            _ => return 0,
        }
    }
}

/// A character named in HTML at the start of `text`: its length, and what it stands for.
pub(super) fn entity(text: &[char]) -> Option<(usize, &'static str)> {
    const NAMED: [(&str, &str); 7] =
        [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", ""), ("&apos;", ""), ("&nbsp;", ""), ("&mdash;", "")];
    NAMED.iter().find(|(name, _)| starts_with(text, name)).map(|(name, meaning)| (name.len(), *meaning))
}

/// Ends of words in addresses.
fn is_address_character(character: char) -> bool {
    !character.is_whitespace() && !"\"<>|(){}".contains(character)
}

/// `http://…`, `www.…`, `example.com/path`: its length at the start of `text`; else 0.
pub(super) fn web_address(text: &[char]) -> usize {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| starts_with_any_case(text, scheme));
    if let Some(scheme) = scheme {
        let rest = &text[scheme.len()..];
        let path = trimmed(&rest[..run(rest, is_address_character)]);
        return if path >= 2 { scheme.len() + path } else { 0 };
    }
    let host = host(text);
    if host == 0 || text.get(host) != Some(&'/') {
        return host;
    }
    let path = trimmed(&text[host + 1..][..run(&text[host + 1..], is_address_character)]);
    if path >= 2 { host + 1 + path } else { host }
}

/// Length without the punctuation at the end.
fn trimmed(path: &[char]) -> usize {
    path.iter().rposition(|&last| !".!?,-".contains(last)).map_or(0, |last| last + 1)
}

fn host(text: &[char]) -> usize {
    let in_www = |next: char| is_address_character(next) && !".!?,".contains(next);
    let in_plain = |next: char| in_www(next) && !"`'$".contains(next) && !(','..='_').contains(&next);
    let www = starts_with(text, "www.");
    let mut place = if www { 4 } else { 0 };
    let mut best = 0;
    loop {
        let label = if www { run(&text[place..], in_www) } else { run(&text[place..], in_plain) };
        if label == 0 || text.get(place + label) != Some(&'.') {
            return best;
        }
        place += label + 1;
        let ending = run(&text[place..], |next| next.is_ascii_alphabetic());
        let known = ["com", "net", "org", "edu"].into_iter().any(|known| starts_with(&text[place..], known));
        if www && ending >= 2 {
            best = place + ending.min(4);
        } else if !www && known {
            best = place + 3;
        }
    }
}

/// `me@example.org`: its length at the start of `text`; else 0.
pub(super) fn mail_address(text: &[char]) -> usize {
    if !text.first().is_some_and(char::is_ascii_alphanumeric) {
        return 0;
    }
    let all = &text[..run(text, |next| !next.is_whitespace() && !"\"<>|()".contains(next))];
    let Some(at) = all.iter().skip(1).rposition(|&next| next == '@').map(|place| place + 1) else { return 0 };
    let mut end = 0;
    let mut place = at + 1;
    loop {
        let label = run(&all[place..], |next| next != '.');
        if label == 0 {
            return end;
        }
        end = place + label;
        if all.get(end) != Some(&'.') {
            return end;
        }
        place = end + 1;
    }
}

/// `@someone`, `#topic`: its length at the start of `text`; else 0.
pub(super) fn mention(text: &[char]) -> usize {
    let rest = &text[1..];
    match text[0] {
        '@' if rest.first().is_some_and(|&next| next.is_ascii_alphabetic() || next == '_') => {
            1 + run(rest, |next| next.is_ascii_alphanumeric() || next == '_')
        }
        '#' if ascii_letter_follows(rest) => 1 + run(rest, |next| next.is_ascii_alphabetic()),
        _ => 0,
    }
}

/// Signs that are one token together: `...`, `!!`, `?!`, `***`, `<<`, five hyphens or more.
pub(super) fn repeated(text: &[char]) -> usize {
    match text[0] {
        '.' => Some(run(text, |next| next == '.')).filter(|&stops| stops > 2).unwrap_or(0),
        '!' | '?' => run(text, |next| next == '!' || next == '?'),
        first @ ('*' | '#' | '@' | '_') => run(text, |next| next == first),
        first @ ('<' | '>') => run(text, |next| next == first).min(2),
        '-' => run(text, |next| next == '-'),
        _ => 0,
    }
}
