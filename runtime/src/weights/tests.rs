//! Weights go out and come back, and broken files are refused in words.

use super::*;

fn weights() -> Weights {
    let tensor = |shape: &[usize]| {
        let count: usize = shape.iter().product();
        WeightTensor {
            shape: shape.to_vec(),
            values: (0..count).map(|i| i as f32 * 0.37 - 3.0).collect(),
        }
    };
    Weights::from([
        ("down.0.weight".to_owned(), tensor(&[4, 3, 3, 3])),
        ("down.0.bias".to_owned(), tensor(&[4])),
        ("scale".to_owned(), tensor(&[])),
    ])
}

fn shapes(weights: &Weights) -> Vec<(String, Vec<usize>)> {
    weights.iter().map(|(name, t)| (name.clone(), t.shape.clone())).collect()
}

fn saved() -> (tempfile::TempDir, PathBuf, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let hash = write_weights(&path, &weights(), Precision::F32).unwrap();
    (dir, path, hash)
}

#[test]
fn f32_weights_come_back_exactly() {
    let (_dir, path, hash) = saved();
    assert_eq!(read_weights(&path, Some(&hash), &shapes(&weights())).unwrap(), weights());
}

#[test]
fn bf16_weights_come_back_within_half_a_unit_of_the_eighth_bit() {
    let (_dir, path, _) = saved();
    write_weights(&path, &weights(), Precision::Bf16).unwrap();
    let back = read_weights(&path, None, &shapes(&weights())).unwrap();
    for (name, tensor) in weights() {
        for (a, b) in tensor.values.iter().zip(&back[&name].values) {
            assert!((a - b).abs() <= a.abs() / 256.0, "{a} became {b}");
        }
    }
}

#[test]
fn half_precision_is_read_right() {
    let cases = [
        (0x3c00, 1.0),
        (0xc000, -2.0),
        (0x7bff, 65504.0),
        (0x0001, 5.9604645e-8),
        (0x3555, 0.33325195),
    ];
    for (bits, value) in cases {
        assert_eq!(f16_to_f32(bits), value);
    }
    assert!(f16_to_f32(0x7c00).is_infinite() && f16_to_f32(0x7e00).is_nan());
}

#[test]
fn ties_round_to_even() {
    assert_eq!(round_bf16(f32::from_bits(0x3f80_8000)), 1.0);
    assert_eq!(round_bf16(f32::from_bits(0x3f81_8000)), f32::from_bits(0x3f82_0000));
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let (_dir, path, hash) = saved();
    let whole = std::fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(11) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = read_weights(&path, None, &shapes(&weights())).unwrap_err();
        assert!(matches!(error, ModelFileError::Truncated { .. }), "{length}: {error}");
        let error = read_weights(&path, Some(&hash), &shapes(&weights())).unwrap_err();
        assert!(matches!(error, ModelFileError::WrongHash { .. }), "{length}: {error}");
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let (_dir, path, hash) = saved();
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(3) {
        let mut broken = whole.clone();
        broken[at] ^= 0x55;
        std::fs::write(&path, &broken).unwrap();
        let _ = read_weights(&path, None, &shapes(&weights()));
        assert!(read_weights(&path, Some(&hash), &shapes(&weights())).is_err());
    }
}

#[test]
fn other_names_and_shapes_are_named() {
    let (_dir, path, _) = saved();
    let mut expected = shapes(&weights());
    expected[0].0 = "down.1.bias".to_owned();
    let error = read_weights(&path, None, &expected).unwrap_err().to_string();
    assert!(error.contains("down.1.bias") && error.contains("down.0.bias"), "{error}");
    let mut expected = shapes(&weights());
    expected[0].1 = vec![5];
    let error = read_weights(&path, None, &expected).unwrap_err();
    assert!(
        matches!(&error, ModelFileError::Shape { tensor, .. } if tensor == "down.0.bias"),
        "{error}"
    );
    assert!(matches!(read_weights(&path, None, &[]), Err(ModelFileError::Names { .. })));
}

#[test]
fn nan_is_neither_written_nor_read() {
    let (_dir, path, _) = saved();
    let mut broken = weights();
    broken.get_mut("scale").unwrap().values[0] = f32::NAN;
    assert!(matches!(
        write_weights(&path, &broken, Precision::F32),
        Err(ModelFileError::NotFinite { .. })
    ));
    assert!(read_weights(&path, None, &shapes(&weights())).is_ok(), "the old file stays");
    broken.get_mut("scale").unwrap().values[0] = f32::MAX;
    assert!(write_weights(&path, &broken, Precision::Bf16).is_err(), "rounds to infinity");

    let bytes = f32::INFINITY.to_le_bytes();
    let view = TensorView::new(Dtype::F32, vec![1], &bytes).unwrap();
    std::fs::write(&path, serialize([("a", view)], None).unwrap()).unwrap();
    let error = read_weights(&path, None, &[("a".to_owned(), vec![1])]).unwrap_err();
    assert!(matches!(error, ModelFileError::NotFinite { index: 0, .. }), "{error}");
}

#[test]
fn integers_are_no_weights() {
    let (_dir, path, _) = saved();
    let view = TensorView::new(Dtype::I64, vec![1], &[0; 8]).unwrap();
    std::fs::write(&path, serialize([("a", view)], None).unwrap()).unwrap();
    let error = read_weights(&path, None, &[("a".to_owned(), vec![1])]).unwrap_err().to_string();
    assert!(error.contains("I64"), "{error}");
}

#[test]
fn missing_and_oversized_files_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    assert!(matches!(read_weights(&path, None, &[]), Err(ModelFileError::Missing { .. })));
    // Sparse: takes no space on the disk.
    std::fs::File::create(&path).unwrap().set_len(MAX_WEIGHTS_BYTES + 1).unwrap();
    assert!(matches!(read_weights(&path, None, &[]), Err(ModelFileError::TooLarge { .. })));
    assert!(matches!(read_weights(dir.path(), None, &[]), Err(ModelFileError::Io { .. })));
}

#[test]
fn some_tensors_are_replaced_and_the_others_stay_as_they_are() {
    let (dir, path, hash) = saved();
    let tensor = WeightTensor { shape: vec![2], values: vec![1.0, -2.0] };
    let new =
        Weights::from([("scale".to_owned(), tensor.clone()), ("more".to_owned(), tensor.clone())]);
    let to = dir.path().join("new.safetensors");
    let is_old = |name: &str| name.starts_with("scale");
    let new_hash = replace_weights(&path, &hash, (&is_old, &new), &to).unwrap();
    let mut expected = weights();
    expected.extend(new.clone());
    assert_eq!(read_weights(&to, Some(&new_hash), &shapes(&expected)).unwrap(), expected);
    let wrong = replace_weights(&path, &new_hash, (&is_old, &new), &to);
    assert!(matches!(wrong, Err(ModelFileError::WrongHash { .. })));
    assert_eq!(read_weights(&to, Some(&new_hash), &shapes(&expected)).unwrap(), expected, "kept");
}
