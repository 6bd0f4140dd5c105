// Devices on the peripheral bus that do something; all other registers read back what was written.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "host_io.hpp"
#include "settings.hpp"
#include "types.hpp"

namespace tinyformer {

constexpr Cycle kNever = ~Cycle{0};

class Peripheral {
public:
    Peripheral(Address base, unsigned irq) : base_(base), irq_(irq) {}
    virtual ~Peripheral() = default;

    // Registers by offset from the base, as whole words; `now` is the time in clock cycles.
    virtual std::uint32_t read(Address offset, Cycle now) = 0;
    virtual void write(Address offset, std::uint32_t value, Cycle now) = 0;
    // Whether the interrupt line is up.
    virtual bool interrupt(Cycle now) = 0;
    // When the interrupt line may next go up by the passing of time alone.
    virtual Cycle next_event(Cycle now) = 0;

    Address base() const { return base_; }
    unsigned irq() const { return irq_; }

private:
    Address base_;
    unsigned irq_;
};

// Serial ports (settings "uart.N": base, irq, layout) and timers ("timer.N": base, irq, clock, bits).
std::vector<std::unique_ptr<Peripheral>> make_peripherals(const Settings& settings, HostIo* io);

}  // namespace tinyformer
