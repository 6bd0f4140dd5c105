// SPDX-License-Identifier: Apache-2.0
#include "peripheral.hpp"

#include "dma.hpp"
#include "gpio.hpp"
#include "timer.hpp"
#include "uart.hpp"

namespace tinyformer {

std::vector<std::unique_ptr<Peripheral>> make_peripherals(const Settings& settings, const ClockTree& clocks,
                                                          MemoryMap* memory, HostIo* io) {
    constexpr std::uint64_t kBytesPerSecond = 115200 / 10;
    const auto byte_time = static_cast<Cycle>(settings.get("clock_hz")) / kBytesPerSecond;
    std::vector<std::unique_ptr<Peripheral>> devices;
    std::vector<Uart*> ports;
    for (const auto& row : settings.table("uart")) {
        const Uart::Layout layout{static_cast<Address>(row.at(3)),      static_cast<Address>(row.at(4)),
                                  static_cast<Address>(row.at(5)),      static_cast<Address>(row.at(6)),
                                  static_cast<Address>(row.at(7)),      static_cast<std::uint32_t>(row.at(8)),
                                  static_cast<std::uint32_t>(row.at(9))};
        auto port = std::make_unique<Uart>(static_cast<Address>(row.at(0)), static_cast<unsigned>(row.at(1)), layout,
                                           clocks.bus(static_cast<std::size_t>(row.at(2))), byte_time, io);
        ports.push_back(port.get());
        devices.push_back(std::move(port));
    }
    for (const auto& row : settings.table("timer")) {
        devices.push_back(std::make_unique<Timer>(static_cast<Address>(row.at(0)), static_cast<unsigned>(row.at(1)),
                                                  clocks.bus(static_cast<std::size_t>(row.at(2))),
                                                  static_cast<unsigned>(row.at(3))));
    }
    for (const auto& row : settings.table("dma")) {
        const auto kind = row.at(1) == 0 ? DmaController::Kind::Channels : DmaController::Kind::Streams;
        const std::size_t channels = row.size() - 2;
        auto controller = std::make_unique<DmaController>(static_cast<Address>(row.at(0)), kind, channels, memory);
        controller->serve(ports);
        for (std::size_t channel = 0; channel < channels; ++channel) {
            devices.push_back(
                std::make_unique<DmaLine>(static_cast<unsigned>(row[2 + channel]), controller.get(), channel));
        }
        devices.push_back(std::move(controller));
    }
    for (const auto& row : settings.table("gpio")) {
        devices.push_back(std::make_unique<Gpio>(static_cast<Address>(row.at(0)), static_cast<std::uint32_t>(row.at(1)),
                                                 static_cast<std::uint32_t>(row.at(2))));
    }
    return devices;
}

}  // namespace tinyformer
