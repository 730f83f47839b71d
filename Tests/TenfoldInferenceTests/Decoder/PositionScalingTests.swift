// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TenfoldInference

@Suite("The scaling of positions")
struct PositionScalingTests {
  private func scaling(_ values: [String: GGUFValue.Storage], context: Int = 4_096) throws -> PositionScaling
  {
    let metadata = GGUFMetadata(
      values: Dictionary(uniqueKeysWithValues: values.map { ("llama.rope.\($0)", GGUFValue(storage: $1)) })
    )
    return try PositionScaling(metadata, architecture: "llama", contextLength: context)
  }

  private func frequencies(_ scaling: PositionScaling, length: Int, base: Double) -> [Double] {
    (0..<length / 2).map { index in
      let frequency = pow(base, -2 * Double(index) / Double(length))
      return scaling.scaled(frequency, index: index, length: length, base: base)
    }
  }

  @Test("by YaRN is that of another implementation")
  func yarn() throws {
    // By `_compute_yarn_parameters` of transformers 5.2, in single precision.
    let wide = try scaling([
      "scaling.type": .string("yarn"), "scaling.factor": .float(4),
      "scaling.original_context_length": .unsigned(32_768),
    ])
    let expected = [
      1, 0.649381638, 0.421696514, 0.273841977, 0.177827939, 0.115478203, 0.0749894157, 0.0486967526,
      0.0316227786, 0.0205352511, 0.0133352149, 0.00865964312, 0.00515479548, 0.0030431177, 0.00177853031,
      0.00102661771, 0.000583333371, 0.000324690831, 0.000175706868, 9.12806499e-05, 4.44569851e-05,
      2.88695483e-05, 1.87473561e-05, 1.21741887e-05, 7.90569356e-06, 5.13381246e-06, 3.33380353e-06,
      2.16491094e-06, 1.40585337e-06, 9.1293532e-07, 5.92843435e-07, 3.84981632e-07,
    ]
    for (a, b) in zip(frequencies(wide, length: 64, base: 1_000_000), expected) {
      #expect(abs(a / b - 1) < 1e-6)
    }
    #expect(abs(wide.magnitude - 1.138629436111989) < 1e-12)

    let bounds = try scaling([
      "scaling.type": .string("yarn"), "scaling.factor": .float(2),
      "scaling.original_context_length": .unsigned(2_048),
      "scaling.yarn_beta_fast": .float(16), "scaling.yarn_beta_slow": .float(2),
    ])
    let others = [
      1, 0.562341332, 0.316227764, 0.177827939, 0.100000001, 0.0562341288, 0.0276699308, 0.0133370962,
      0.00624999963, 0.00281170662, 0.00158113893, 0.000889139716, 0.000500000024, 0.000281170651,
      0.000158113893, 8.89139701e-05,
    ]
    for (a, b) in zip(frequencies(bounds, length: 32, base: 10_000), others) {
      #expect(abs(a / b - 1) < 1e-6)
    }
    #expect(abs(bounds.magnitude - 1.0693147180559945) < 1e-12)
  }

  @Test("is linear where no kind is named, by either name of the factor")
  func linear() throws {
    for key in ["scaling.factor", "scale_linear"] {
      let scaling = try scaling([key: .float(8)])
      #expect(scaling.scaled(0.5, index: 3, length: 64, base: 10_000) == 0.0625 && scaling.magnitude == 1)
    }
    let named = try scaling(["scaling.type": .string("linear"), "scaling.factor": .unsigned(2)])
    #expect(named.factor == 2 && named.extrapolation == 0)
  }

  @Test("is none where the file says so, or nothing")
  func none() throws {
    #expect(try scaling([:]) == PositionScaling(originalContextLength: 4_096))
    #expect(try scaling(["scaling.type": .string("none"), "scaling.factor": .float(4)]).factor == 1)
    #expect(try scaling(["scaling.factor": .float(0)]).factor == 1)
  }

  @Test("of other kinds is refused")
  func unsupported() throws {
    let error = #expect(throws: ModelError.self) { try scaling(["scaling.type": .string("longrope")]) }
    #expect(error?.code == .unsupported && error?.message.contains("longrope") == true)
  }

  @Test(
    "by numbers that make no sense is refused",
    arguments: [
      ("scaling.factor", GGUFValue.Storage.float(-1)), ("scaling.factor", .float(.nan)),
      ("scaling.factor", .float(.infinity)), ("scaling.attn_factor", .float(0)),
      ("scaling.yarn_ext_factor", .float(2)), ("scaling.yarn_beta_fast", .float(0.5)),
      ("scaling.yarn_beta_slow", .float(0)), ("scaling.original_context_length", .unsigned(0)),
      ("scaling.type", .unsigned(2)),
    ]
  )
  func damaged(key: String, value: GGUFValue.Storage) {
    var values: [String: GGUFValue.Storage] = ["scaling.type": .string("yarn"), "scaling.factor": .float(4)]
    values[key] = value
    let error = #expect(throws: ModelError.self) { try scaling(values) }
    #expect(error?.code == .invalidHeader)
  }
}
