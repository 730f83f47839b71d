// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The figures of one measured quantity.
struct BenchmarkSample {
  /// One value for each repetition, sorted.
  let values: [Double]
  /// CPUs that other processes kept busy meanwhile.
  let othersCPUs: Double?

  var median: Double { quantile(0.5) }

  /// The nearest value at or above a share of the others.
  func quantile(_ share: Double) -> Double {
    guard !values.isEmpty else { return .nan }
    return values[min(values.count - 1, Int((Double(values.count) * share).rounded(.down)))]
  }

  /// Other figures made of these.
  func map(_ transform: (Double) -> Double) -> BenchmarkSample {
    BenchmarkSample(values: values.map(transform).sorted(), othersCPUs: othersCPUs)
  }

  /// Warms up once, then takes values.
  static func take(_ count: Int, _ body: () throws -> Double) rethrows -> BenchmarkSample {
    _ = try body()
    let meter = NoiseMeter()
    var values: [Double] = []
    for _ in 0..<count { values.append(try body()) }
    return BenchmarkSample(values: values.sorted(), othersCPUs: meter.othersCPUs())
  }

  /// The seconds that a piece of work takes.
  static func seconds(_ work: () throws -> Void) rethrows -> Double {
    let start = ContinuousClock.now
    try work()
    return (ContinuousClock.now - start) / .seconds(1)
  }
}
