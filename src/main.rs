mod courtyard;
fn main() {}
