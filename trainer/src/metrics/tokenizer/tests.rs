//! What the Java tokeniser answers, by the rule that each case shows.

use super::*;

/// The reference's answers, taken from Stanford's PTBTokenizer 3.4.1 after pycocoevalcap's filter.
#[rustfmt::skip]
const CASES: [(&str, &str); 41] = [
    // Punctuation goes, signs stay.
    ("A dog, a cat; and -- yes -- \"more\"...", "a dog a cat and yes more"),
    ("wow! really? wow!! what?!", "wow really wow !! what ?!"),
    ("black & white / grey * # @ = + ~ _", "black & white / grey * # @ = + ~ _"),
    ("(one) [two] {three}", "-lrb- one -rrb- -lsb- two -rsb- -lcb- three -rcb-"),
    ("---- ----- ****", "----- ****"),
    ("£5 €5 5¢ ½ ¥ °", "# 5 $ 5 5 cents 1/2 ¥ °"),
    ("“curly” ‘quotes’ – and … dashes —", "curly quotes and dashes"),
    // Apostrophes.
    ("The dog's, the dogs' and it's", "the dog 's the dogs and it 's"),
    ("can't won't didn't n't hadn't've", "ca n't wo n't did n't n't had n't 've"),
    ("I'm we're she'd they'll I’ve", "i 'm we 're she 'd they 'll i 've"),
    ("five o'clock hors d'oeuvres ma'am O'Hare B'way dunkin'", "five o'clock hors d'oeuvres ma'am o'hare b'way dunkin'"),
    ("'90s 90's rock 'n' roll fish 'n chips 'em 'til 'no entry'", "'90s 90 's rock 'n' roll fish 'n chips 'em 'til no entry"),
    ("cannot gonna Wanna 'tis 'twas y'all", "can not gon na wan na 't is 't was y' all"),
    ("it''s 6'2\"", "it s 6 2"),
    // Full stops.
    ("Mr. Who of St. Ives vs. Dr. No.", "mr. who of st. ives vs. dr. no"),
    ("in the U.S. at 5 p.m. on T.V.", "in the u.s. at 5 p.m. on t.v."),
    ("platform.In the end.start", "platform.in the end.start"),
    ("Mass. in mass. Ill. or ill.", "mass. in mass ill. or ill"),
    ("no. 5 fig. 3 no. one vol. 3", "no. 5 fig. 3 no one vol 3"),
    ("a plan b. fails. Plan B. The end in a T.", "a plan b. fails plan b the end in a t"),
    ("a seat., a bus.; a car.", "a seat. a bus. a car"),
    ("Ph.D. ph.d J.P.Morgan", "ph.d. ph.d j.p.morgan"),
    // Numbers.
    ("5.5 10,000 12:30pm .22 -5 3.5mm", "5.5 10,000 12:30 pm .22 -5 3.5 mm"),
    ("1/2 1 1/2 9/11/2001 2x4 30th 1990s", "1/2 1\u{a0}1/2 9/11/2001 2x4 30th 1990s"),
    ("555-1234 (555) 123-4567 800 555 1234", "555-1234 -lrb-555-rrb-\u{a0}123-4567 800\u{a0}555\u{a0}1234"),
    ("$5.99 5% US$5 #1", "$ 5.99 5 % us$ 5 # 1"),
    // Joined words.
    ("red-and-white a- -b a--b T-shirt", "red-and-white a b a b t-shirt"),
    ("3.5-inch 4-way dog,cat-like café-style", "3.5-inch 4-way dog,cat-like café-style"),
    ("and/or pick-up/drop-off a/b/c/d a / b", "and/or pick-up/drop-off a/b/c / d a / b"),
    ("jack-o'-lantern bird's-eye dont-o'clock", "jack-o lantern bird 's eye dont-o'clock"),
    ("AT&T B&W b&w C++ c+ R+B", "at&t b&w b & w c++ c + r+b"),
    ("foo_bar foo_ _foo", "foo_bar foo _ _ foo"),
    // Addresses, tags and faces.
    ("www.a.bc http://x.yz/a?b. me@home @me #me x.com/a/b", "www.a.bc http://x.yz/a?b me@home @me #me x.com/a/b"),
    ("<b>bold</b> <a href=\"x\"> < 5 > 3 <3", "<b> bold </b> <a\u{a0}href=\"x\"> < 5 > 3 < 3"),
    ("&amp; &lt; AT&amp;T &quot;", "& < at&t"),
    (":) ;-( :D :dog >:( ^_^ (-_-)", ":-rrb- ;--lrb- :d dog >:-lrb- ^_^ -lrb--_--rrb-"),
    // Other scripts, and what cannot be read.
    ("Ελληνικά русский 日本語 naïve", "ελληνικά русский 日本語 naïve"),
    ("a😀b soft\u{ad}hyphen no\u{a0}break zero\u{200b}width", "a b softhyphen no break zero width"),
    ("ÉCOLE İ", "école i̇"),
    ("", ""),
    (" ... ", ""),
];

#[test]
fn tokens_are_those_of_the_reference() {
    for (caption, expected) in CASES {
        assert_eq!(tokenize(caption), expected, "{caption}");
    }
}

#[test]
fn any_text_is_read_to_its_end() {
    let signs: Vec<char> = "aZ9 .,'`\"-_/\\&@#$%(){}[]<>:;=!?*+^~|é½–’\u{ad}\u{a0}😀\n\t".chars().collect();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let caption: String = (0..random.usize(..12)).map(|_| signs[random.usize(..signs.len())]).collect();
        let words = tokenize(&caption);
        assert!(words.is_empty() || words.split(' ').all(|word| !word.is_empty()), "{caption:?} gave {words:?}");
    }
}
