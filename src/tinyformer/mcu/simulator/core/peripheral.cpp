#include "peripheral.hpp"

#include "timer.hpp"
#include "uart.hpp"

namespace tinyformer {

std::vector<std::unique_ptr<Peripheral>> make_peripherals(const Settings& settings, HostIo* io) {
    constexpr std::uint64_t kBytesPerSecond = 115200 / 10;
    const auto clock = static_cast<std::uint64_t>(settings.get("clock_hz"));
    std::vector<std::unique_ptr<Peripheral>> devices;
    for (const auto& row : settings.table("uart")) {
        devices.push_back(std::make_unique<Uart>(static_cast<Address>(row.at(0)), static_cast<unsigned>(row.at(1)),
                                                 row.at(2) != 0, clock / kBytesPerSecond, io));
    }
    for (const auto& row : settings.table("timer")) {
        devices.push_back(std::make_unique<Timer>(static_cast<Address>(row.at(0)), static_cast<unsigned>(row.at(1)),
                                                  clock, static_cast<std::uint64_t>(row.at(2)),
                                                  static_cast<unsigned>(row.at(3))));
    }
    return devices;
}

}  // namespace tinyformer
