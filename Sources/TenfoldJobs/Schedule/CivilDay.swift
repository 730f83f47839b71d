// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A day of the proleptic Gregorian calendar, counted from 1970-01-01.
struct CivilDay: Hashable {
  /// Days since 1970-01-01.
  let number: Int64
  let year: Int64
  /// 1…12.
  let month: Int
  /// 1…31.
  let day: Int

  init(number: Int64) {
    self.number = number
    // Years that begin in March put the leap day last; an era of 400 years has 146,097 days.
    let shifted = number + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    day = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// 0 for Sunday … 6 for Saturday; 1970-01-01 was a Thursday.
  var weekday: Int { Int(((number + 4) % 7 + 7) % 7) }
}
