ardour {
	["type"] = "EditorAction",
	name = "Test driver",
	description = [[Run the Lua file named by BANDMATE_TEST_DRIVER; what it prints goes to that name with .out]],
}
function factory () return function ()
	local path, lines = os.getenv ("BANDMATE_TEST_DRIVER"), {}
	if not os.rename (path, path .. ".running") then return end -- asked twice
	local function note (...)
		local items = {}
		for index = 1, select ("#", ...) do items[index] = tostring ((select (index, ...))) end
		lines[#lines + 1] = table.concat (items, "\t")
	end
	local ok, problem = pcall (function ()
		assert (loadfile (path .. ".running", "t", setmetatable ({ print = note }, { __index = _G }))) ()
	end)
	local file = io.open (path .. ".new", "w")
	file:write (ok and "done\n" or "failed: " .. tostring (problem) .. "\n", table.concat (lines, "\n"))
	file:close ()
	os.rename (path .. ".new", path .. ".out")
end end
