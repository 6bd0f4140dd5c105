// SPDX-License-Identifier: Apache-2.0
// The simulated chip: emulator, memories, devices and, in timing mode, a cycle model fed block by block.
#pragma once
#include <unicorn/unicorn.h>

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "block.hpp"
#include "clock_tree.hpp"
#include "decoder.hpp"
#include "host_io.hpp"
#include "memory_map.hpp"
#include "peripheral.hpp"
#include "profile.hpp"
#include "semihosting.hpp"
#include "settings.hpp"
#include "status_registers.hpp"
#include "system_control.hpp"
#include "timing_model.hpp"

namespace tinyformer {

constexpr std::uint32_t kStackPaint = 0xC5C5C5C5;  // unused stack, as in runtime.h

struct Fault {
    std::string kind;
    Address address = 0;  // of the access; the program counter itself for a bad instruction
    Address pc = 0, lr = 0;
};

class Machine {
public:
    explicit Machine(const Settings& settings);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    bool load(Address address, const std::uint8_t* data, std::size_t size) { return memory_.load(address, data, size); }
    void add_symbol(Symbol symbol) { symbols_.push_back(std::move(symbol)); }
    HostIo& io() { return io_; }
    // The area that is watched for the stack's high-water mark.
    void watch_stack(Address low, Address high);

    // Boots from the vector table at the start of flash and runs until something stops the program.
    void run(std::uint64_t instruction_limit);

    // Everything that was counted, as JSON.
    std::string report() const;

private:
    friend struct MachineHooks;

    void map_buses();
    void add_hooks();
    void boot();
    // One uninterrupted run of the emulator from `pc`; returns where it came to rest.
    Address run_once(Address pc);

    // Blocks
    void enter_block(Address address, std::uint32_t size);
    void finish_block(Address next);
    Block* find_block(Address address, std::uint32_t size);
    Block* make_block(Address address, std::uint32_t size);
    void evaluate(const AddressProgram::Segment& segment);
    void enter_segment(Address address);
    void hook_segment(Address start);
    void track_profile(const Block& block);
    int function_at(Address address) const;

    // Exceptions
    bool interrupts_masked() const;
    bool check_interrupts();
    // What is to be done at `next_event_`, before the block at `address`; whether the emulator must stop for it.
    bool attend(Address address);
    void advance_devices();
    Cycle next_wakeup();
    Address take_exception(unsigned number, Address return_to);
    Address return_from_exception();
    Address handle_emulator_exception(Address pc);
    void refresh_next_event();
    // The core does nothing until an interrupt, or, with `masked`, for ever.
    void sleep(bool masked = false);
    bool idle_for_long(Cycle time);
    void lock_up(const std::string& kind);
    bool masked_for_good() const;
    void probe(Address address);
    void end_probe(bool idle);
    bool execute_double_precision(Address pc);

    // Buses
    std::uint32_t read_peripheral(Address address, unsigned size);
    void write_peripheral(Address address, unsigned size, std::uint32_t value);
    Peripheral* device_at(Address address) const;
    void mark_region(bool begin, std::uint32_t number);

    std::uint32_t get(int unicorn_register) const;
    void set(int unicorn_register, std::uint32_t value);
    Cycle now() const { return model_ ? model_->now() : instructions_ + slept_; }
    Totals totals() const;
    std::uint32_t stack_high_water() const;

    Settings settings_;
    uc_engine* engine_;
    MemoryMap memory_;
    Decoder decoder_;
    HostIo io_;
    ClockTree clocks_;
    StatusRegisters status_registers_;
    SystemControl system_;
    Semihosting semihosting_;
    std::vector<std::unique_ptr<Peripheral>> devices_;
    std::unordered_map<Address, Peripheral*> devices_by_page_;
    std::vector<Peripheral*> timed_;                     // devices that act by themselves or interrupt
    std::unordered_map<Address, std::uint32_t> stored_;  // peripheral registers without behaviour
    std::unique_ptr<TimingModel> model_;                 // absent in functional mode

    std::vector<Block*> flash_blocks_;  // most recent block by half-word of flash
    std::unordered_map<Address, Block*> other_blocks_;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::unordered_set<Address> hooked_;  // starts of segments, where a code hook is installed

    Block* current_ = nullptr;
    Block* previous_ = nullptr;
    std::vector<Access> accesses_;
    std::vector<Access> reference_;  // what the emulator reports, when the accesses are checked
    bool check_accesses_ = false;

    std::uint64_t instructions_ = 0, limit_ = 0;
    Cycle slept_ = 0;
    std::uint64_t unknown_accesses_ = 0, wrong_accesses_ = 0, checked_accesses_ = 0;
    Cycle next_event_ = 0;
    unsigned wanted_exception_ = 0;
    int emulator_exception_ = -1;
    bool retranslate_ = false;
    Fault fault_;

    // A probe follows the program for some blocks: if it comes back to the same place with the same registers, and has
    // neither stored anything nor looked at a device, only an interrupt can change what it does.
    struct Probe {
        int blocks_left = 0;  // 0: none is running
        Address address = 0;
        std::array<std::uint32_t, 16> registers{};
        std::uint64_t bus_reads = 0;
    };
    Probe probe_;
    Cycle next_probe_ = 0, probe_interval_ = 0;
    bool idle_ = false;  // the last probe found the program idle: look again after each interrupt
    std::uint64_t bus_reads_ = 0;
    Cycle idle_since_ = 0, idle_time_ = 0;  // last activity on the line, and time asleep since
    bool double_precision_ = false;

    struct ExceptionContext {
        unsigned number;
        std::uint32_t floats[16];
        std::uint32_t float_status;
    };
    std::vector<ExceptionContext> active_;

    std::vector<Symbol> symbols_;  // sorted by address when the program runs
    LayerTracker layers_;
    std::vector<std::pair<std::uint32_t, Totals>> open_regions_;
    std::vector<Stretch> regions_;
    Address stack_low_ = 0, stack_high_ = 0;
    std::uint32_t initial_stack_ = 0, lowest_stack_ = ~0u;
};

}  // namespace tinyformer
