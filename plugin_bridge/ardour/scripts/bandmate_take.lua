ardour {
	["type"]    = "EditorAction",
	name        = "bandmate: New take",
	license     = "MIT",
	author      = "bandmate",
	description = [[Make another take of the selected part, near to it or far from it.]]
}

-- Ardour keeps only what is inside factory (), and drops an action after one uncaught error.
function factory () return function ()
	local library = ARDOUR.user_config_directory (-1) .. "/bandmate/"
	local ok, problem = pcall (function ()
		local wire = assert (loadfile (library .. "wire.lua")) (library)
		wire.guarded (assert (loadfile (library .. "take.lua")), library)
	end)
	if not ok then
		LuaDialog.Message ("bandmate", tostring (problem), LuaDialog.MessageType.Error, LuaDialog.ButtonType.OK):run ()
	end
end end
