//! What is measured: the frequent codes of the Synthea set, with their ranges.

use std::ops::Range;

type Text = &'static str;

/// A measured quantity; values in tenths.
pub struct Code {
    pub code: &'static str,
    pub display: &'static str,
    pub category: &'static str,
    pub unit: &'static str,
    pub low: i32,
    pub high: i32,
}

const fn vital(code: Text, display: Text, unit: Text, range: [i32; 2]) -> Code {
    Code {
        code,
        display,
        category: "vital-signs",
        unit,
        low: range[0],
        high: range[1],
    }
}

const fn lab(code: Text, display: Text, unit: Text, range: [i32; 2]) -> Code {
    Code {
        code,
        display,
        category: "laboratory",
        unit,
        low: range[0],
        high: range[1],
    }
}

/// The position of blood pressure in [`CODES`]: two components instead of a value.
pub const BLOOD_PRESSURE: u32 = 0;

/// The position of glucose in [`CODES`].
pub const GLUCOSE: u32 = 8;

/// The frequent codes; a code behind them is a rare one.
pub const CODES: [Code; 34] = [
    vital("85354-9", "Blood Pressure", "mm[Hg]", [900, 1800]),
    vital("29463-7", "Body Weight", "kg", [30, 1300]),
    vital("8867-4", "Heart rate", "/min", [500, 1300]),
    vital("9279-1", "Respiratory rate", "/min", [110, 240]),
    vital("8302-2", "Body Height", "cm", [500, 2000]),
    vital("39156-5", "Body Mass Index", "kg/m2", [150, 400]),
    vital(
        "72514-3",
        "Pain severity - 0-10 verbal numeric rating",
        "{score}",
        [0, 100],
    ),
    vital("8310-5", "Body temperature", "Cel", [360, 400]),
    lab("2339-0", "Glucose", "mg/dL", [600, 2000]),
    lab("6299-2", "Urea Nitrogen", "mg/dL", [60, 250]),
    lab("38483-4", "Creatinine", "mg/dL", [5, 40]),
    lab("49765-1", "Calcium", "mg/dL", [80, 110]),
    lab("2947-0", "Sodium", "mmol/L", [1350, 1450]),
    lab("6298-4", "Potassium", "mmol/L", [35, 55]),
    lab("2069-3", "Chloride", "mmol/L", [1000, 1120]),
    lab("20565-8", "Carbon Dioxide", "mmol/L", [200, 300]),
    lab(
        "718-7",
        "Hemoglobin [Mass/volume] in Blood",
        "g/dL",
        [110, 180],
    ),
    lab(
        "6690-2",
        "Leukocytes [#/volume] in Blood by Automated count",
        "10*3/uL",
        [30, 120],
    ),
    lab(
        "789-8",
        "Erythrocytes [#/volume] in Blood by Automated count",
        "10*6/uL",
        [38, 57],
    ),
    lab(
        "787-2",
        "MCV [Entitic volume] by Automated count",
        "fL",
        [800, 960],
    ),
    lab(
        "785-6",
        "MCH [Entitic mass] by Automated count",
        "pg",
        [270, 340],
    ),
    lab(
        "786-4",
        "MCHC [Mass/volume] by Automated count",
        "g/dL",
        [330, 360],
    ),
    lab(
        "777-3",
        "Platelets [#/volume] in Blood by Automated count",
        "10*3/uL",
        [1500, 4500],
    ),
    lab(
        "4544-3",
        "Hematocrit [Volume Fraction] of Blood by Automated count",
        "%",
        [330, 500],
    ),
    lab("2093-3", "Total Cholesterol", "mg/dL", [1200, 2900]),
    lab("2571-8", "Triglycerides", "mg/dL", [1000, 4000]),
    lab(
        "18262-6",
        "Low Density Lipoprotein Cholesterol",
        "mg/dL",
        [600, 1900],
    ),
    lab(
        "2085-9",
        "High Density Lipoprotein Cholesterol",
        "mg/dL",
        [300, 800],
    ),
    lab(
        "2885-2",
        "Protein [Mass/volume] in Serum or Plasma",
        "g/dL",
        [600, 830],
    ),
    lab(
        "1751-7",
        "Albumin [Mass/volume] in Serum or Plasma",
        "g/dL",
        [350, 550],
    ),
    lab(
        "1975-2",
        "Bilirubin.total [Mass/volume] in Serum or Plasma",
        "mg/dL",
        [1, 20],
    ),
    lab(
        "6768-6",
        "Alkaline phosphatase [Enzymatic activity/volume]",
        "U/L",
        [200, 1400],
    ),
    lab(
        "1742-6",
        "Alanine aminotransferase [Enzymatic activity/volume]",
        "U/L",
        [100, 600],
    ),
    lab(
        "4548-4",
        "Hemoglobin A1c/Hemoglobin.total in Blood",
        "%",
        [40, 120],
    ),
];

/// What is measured together, as positions in [`CODES`].
pub const PANELS: [Range<u32>; 3] = [8..16, 16..24, 24..34];
