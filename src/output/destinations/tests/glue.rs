//! Parts of lines beside other records.

use super::*;

#[test]
fn no_foreign_record_stands_on_half_a_line() {
    let (one, two) = (from(1, Stream::Stdout), from(2, Stream::Stdout));
    let mut rig = Rig::new(&["DIR/raw", "prefix:DIR/prefix"]);
    for (origin, record) in [
        (&one, part(b"aa", 1, false)),
        (&one, part(b"bb\ncc", 2, false)),
        (&two, line(b"other\n")),
        (&one, part(b"dd\n", 3, false)),
        (&two, line(b"other\n")),
        (&one, part(b"ee", 4, true)),
        (&one, part(b"ff", 1, false)),
        (&one, line(b"a new record\n")),
    ] {
        rig.to.write(origin, &record);
        rig.flush();
    }
    let raw = "aabb\ncc\nother\ndd\nother\nee\nff\na new record\n";
    assert_eq!(rig.read("raw"), raw);
    let prefix = "1 out | aa\n1 out + bb\n1 out > cc\n2 out | other\n1 out + dd\n\
                  2 out | other\n1 out + ee\n1 out | ff\n1 out | a new record\n";
    assert_eq!(rig.read("prefix"), prefix);
}

#[test]
fn nor_one_of_another_format() {
    let mut rig = Rig::new(&["DIR/log", "prefix:DIR/log"]);
    let origin = from(1, Stream::Stdout);
    rig.to.write(&origin, &part(b"a", 1, false));
    rig.to.write(&origin, &part(b"b\n", 2, true));
    rig.flush();
    assert_eq!(rig.read("log"), "a\n1 out | a\nb\n1 out + b\n");
}
