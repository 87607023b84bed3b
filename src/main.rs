mod courtyard;
fn main(){}
