//! Distances: a row `d` of [`special`](crate::search::params::special) holds a latitude in
//! `low` and a longitude in `high`.

use super::statement::{Bind, Statement};
use crate::search::plan::Circle;

/// Degrees by which a box is wider than its circle, for what binary fractions leave out.
const MARGIN: f64 = 1e-6;

/// The row's position is in the slot and within the circle: a range of the index, then the
/// exact test.
pub(super) fn within(statement: &mut Statement, slot: i32, circle: &Circle) {
    statement.push("d.slot = ").bind(Bind::Int(slot));
    let (latitudes, longitudes) = bounds(circle);
    between(statement, [" AND d.low >= ", " AND d.low <= "], latitudes);
    if let Some(longitudes) = longitudes {
        between(
            statement,
            [" AND d.high >= ", " AND d.high <= "],
            longitudes,
        );
    }
    statement.push(" AND ");
    distance(statement, circle);
    statement.push(" <= ").numeric(&circle.metres.to_string());
    statement.push("::float8");
}

/// Metres from the nearest middle of the circles to a position of the resource: a column `v`.
pub(super) fn nearest(statement: &mut Statement, circles: &[(i32, Circle)]) {
    statement.push("SELECT min(n.v) AS v FROM (");
    for (at, (slot, circle)) in circles.iter().enumerate() {
        statement.push(if at > 0 {
            " UNION ALL SELECT "
        } else {
            "SELECT "
        });
        distance(statement, circle);
        statement.push(" AS v FROM quantity_entry d WHERE d.tenant = $1 AND d.key = ");
        let slot = Bind::Int(*slot);
        statement.own("key").push(" AND d.slot = ").bind(slot);
    }
    statement.push(") n");
}

/// Metres from the middle of the circle to the position of `d`: the haversine formula, which
/// is exact for small distances too and does not mind the date line.
pub(super) fn distance(statement: &mut Statement, circle: &Circle) {
    let (latitude, longitude) = (circle.latitude.to_string(), circle.longitude.to_string());
    statement.push("(2 * 6371008.8 * asin(least(1, sqrt(power(sin(radians(d.low::float8 - ");
    statement.numeric(&latitude);
    statement.push("::float8) / 2), 2) + cos(radians(d.low::float8)) * cos(radians(");
    statement.numeric(&latitude);
    statement.push("::float8)) * power(sin(radians(d.high::float8 - ");
    statement.numeric(&longitude);
    statement.push("::float8) / 2), 2)))))");
}

fn between(statement: &mut Statement, words: [&'static str; 2], ends: (f64, f64)) {
    statement.push(words[0]).numeric(&ends.0.to_string());
    statement.push(words[1]).numeric(&ends.1.to_string());
}

/// The latitudes that the circle touches, and its longitudes where they are one range: it
/// holds no pole and does not cross the date line.
fn bounds(circle: &Circle) -> ((f64, f64), Option<(f64, f64)>) {
    let angle = circle.metres / Circle::EARTH;
    let height = angle.to_degrees() + MARGIN;
    let latitudes = (circle.latitude - height, circle.latitude + height);
    let is_clear = latitudes.0 > -90.0 && latitudes.1 < 90.0;
    let width = (angle.sin() / circle.latitude.to_radians().cos()).asin();
    let width = width.to_degrees() + MARGIN;
    let longitudes = (circle.longitude - width, circle.longitude + width);
    let is_one = is_clear && longitudes.0 >= -180.0 && longitudes.1 <= 180.0;
    (latitudes, is_one.then_some(longitudes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metres(circle: &Circle, latitude: f64, longitude: f64) -> f64 {
        circle.distance(latitude, longitude)
    }

    /// Whatever is within the circle is within the box.
    #[test]
    fn a_box_holds_its_circle() {
        for (latitude, longitude, radius) in [
            (0.0, 0.0, 1.0),
            (42.25, -83.69, 11_265.0),
            (-33.9, 151.2, 500_000.0),
            (60.0, 10.0, 3_000_000.0),
            (89.9, 0.0, 50_000.0),
            (0.0, 179.9, 50_000.0),
            (0.0, 0.0, 15_000_000.0),
        ] {
            let circle = Circle {
                latitude,
                longitude,
                metres: radius,
            };
            let (latitudes, longitudes) = bounds(&circle);
            for step in 0..3600 {
                for out in [0.2, 0.9999] {
                    let bearing = f64::from(step).to_radians() / 10.0;
                    let (a, from) = (radius * out / Circle::EARTH, latitude.to_radians());
                    let to = (from.sin() * a.cos() + from.cos() * a.sin() * bearing.cos()).asin();
                    let east = (bearing.sin() * a.sin() * from.cos())
                        .atan2(a.cos() - from.sin() * to.sin());
                    let (to, east) = (to.to_degrees(), longitude + east.to_degrees());
                    assert!(metres(&circle, to, east) <= radius);
                    assert!(latitudes.0 <= to && to <= latitudes.1, "{circle:?}: {to}");
                    if let Some((low, high)) = longitudes {
                        assert!(low <= east && east <= high, "{circle:?}: {east}");
                    }
                }
            }
        }
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        // Paris to London, Sydney to Auckland, across the date line, pole to pole.
        for ((latitude, longitude), (other, east), km) in [
            ((48.8566, 2.3522), (51.5074, -0.1278), 343.6),
            ((-33.8688, 151.2093), (-36.8485, 174.7633), 2156.0),
            ((0.0, 179.9), (0.0, -179.9), 22.24),
            ((90.0, 0.0), (-90.0, 0.0), 20015.1),
        ] {
            let circle = Circle {
                latitude,
                longitude,
                metres: 0.0,
            };
            let found = metres(&circle, other, east) / 1000.0;
            assert!((found - km).abs() < km / 1000.0, "{found} {km}");
        }
    }
}
