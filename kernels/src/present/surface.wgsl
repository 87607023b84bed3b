// Where on a surface a point lies, in periods of its texture. The plain twin of every line is in ../surface.rs.

const PI: f32 = 3.14159265;
const PERIOD_M: f32 = 2.0;

struct Surface {
    // Periods of the texture.
    uv: vec2<f32>,
    // Metres that one period takes along u and along v.
    period_m: vec2<f32>,
}

// Coordinates along the two axes of the face that `normal` is closest to.
fn on_face(normal: vec3<f32>, v: vec3<f32>) -> vec2<f32> {
    let size = abs(normal);
    if (size.y >= size.x && size.y >= size.z) {
        return v.xz;
    }
    return select(v.xy, v.zy, size.x >= size.z);
}

fn ball_surface(radius: f32, point: vec3<f32>) -> Surface {
    let polar = acos(clamp(point.y / max(length(point), 1e-6), -1.0, 1.0));
    return Surface(vec2(atan2(point.x, point.z), polar) / PI, vec2(PI * radius));
}

fn side_surface(half_height: f32, radius: f32, point: vec3<f32>) -> Surface {
    let periods = max(round(2.0 * PI * radius / PERIOD_M), 1.0);
    let uv = vec2(atan2(point.x, point.z) / (2.0 * PI) * periods, (point.y + half_height) / PERIOD_M);
    return Surface(uv, vec2(2.0 * PI * radius / periods, PERIOD_M));
}

// `point` and `normal` in body coordinates.
fn surface_at(kind: u32, half: vec3<f32>, point: vec3<f32>, normal: vec3<f32>) -> Surface {
    switch kind {
        case KIND_BOX: {
            let edges = on_face(normal, 2.0 * half);
            let whole = all(edges <= vec2(PERIOD_M * 1.00001));
            let period_m = select(vec2(PERIOD_M), max(edges, vec2(1e-4)), whole);
            return Surface(on_face(normal, point + half) / period_m, period_m);
        }
        case KIND_BALL: { return ball_surface(half.x, point); }
        case KIND_CAPSULE: {
            let straight = half.y - half.x;
            let over = abs(point.y) - straight;
            if (over > 0.0) {
                return ball_surface(half.x, vec3(point.x, over * sign(point.y), point.z));
            }
            return side_surface(straight, half.x, point);
        }
        case KIND_CYLINDER: {
            if (abs(normal.y) < 0.999) { return side_surface(half.y, half.x, point); }
            return Surface(point.xz / PERIOD_M, vec2(PERIOD_M));
        }
        case KIND_CONE: {
            if (normal.y > -0.999) { return side_surface(half.y, half.x, point); }
            return Surface(point.xz / PERIOD_M, vec2(PERIOD_M));
        }
        default: { return Surface(on_face(normal, point) / PERIOD_M, vec2(PERIOD_M)); }
    }
}
