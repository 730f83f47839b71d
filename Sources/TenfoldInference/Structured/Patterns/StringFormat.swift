// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The formats of strings that are kept, as patterns.
///
/// A pattern allows less than its format's specification where the rest is rare: leap seconds and small letters in times,
/// quoted names in addresses, locators without a host. What it allows is always in the format.
enum StringFormat {
  /// The pattern of a format; `nil` for one that is not kept.
  static func pattern(_ name: String) -> String? {
    switch name {
    case "date": "^\(date)$"
    case "time": "^\(time)$"
    case "date-time": "^\(date)T\(time)$"
    case "uuid": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
    case "email": "^\(atom){1,20}(\\.\(atom){1,20}){0,2}@\(label)(\\.\(label)){1,2}$"
    case "ipv4": "^\(byte)(\\.\(byte)){3}$"
    case "uri":
      "^[a-z][a-z0-9+.-]{0,15}://\(label)(\\.\(label)){0,3}(:[1-9][0-9]{0,3})?"
        + "(/\(pathCharacter)*)*(\\?(\(pathCharacter)|[/?])*)?(#(\(pathCharacter)|[/?])*)?$"
    default: nil
    }
  }

  /// RFC 3339's full date: months of 31, 30 and 28 days, and the 29th of February of leap years.
  private static let date =
    "(\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))"
    + "|(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
  private static let hourAndMinute = "([01]\\d|2[0-3]):[0-5]\\d"
  /// RFC 3339's full time, with its offset.
  private static let time = "\(hourAndMinute):[0-5]\\d(\\.\\d{1,9})?(Z|[+-]\(hourAndMinute))"
  private static let atom = "[A-Za-z0-9_%+-]"
  /// A label of a host's name.
  private static let label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
  private static let byte = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
  /// RFC 3986's pchar.
  private static let pathCharacter = "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
}
